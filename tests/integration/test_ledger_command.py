"""`assayline ledger` on a real store: the chain is verified each time, and answers for any time."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.settings import Settings
from infra.store import ObjectStore
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import append

MAIN = "from flows.commands.cli import main; main()"
Command = Callable[..., subprocess.CompletedProcess[str]]
# Version in production after each transition, and when it was.
MOVES = (
    (1, "2026-10-30T08:00:00.000+00:00"),
    (1, "2026-10-31T08:00:00.000+00:00"),
    (2, "2026-11-01T10:00:00.000+00:00"),
)


@pytest.fixture
def assayline(store_settings: Settings, tmp_path: Path) -> Command:
    """The console command, with this test's store and nothing else."""
    key, secret = store_settings.store_access_key_id, store_settings.store_secret_access_key
    assert key
    assert secret
    environment = {
        **os.environ,
        "ASSAYLINE_HOME": str(tmp_path),
        "ASSAYLINE_STORE_ENDPOINT_URL": str(store_settings.store_endpoint_url),
        "ASSAYLINE_STORE_ACCESS_KEY_ID": key.get_secret_value(),
        "ASSAYLINE_STORE_SECRET_ACCESS_KEY": secret.get_secret_value(),
    }

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", MAIN, *arguments], env=environment, cwd=tmp_path,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return call


@pytest.fixture
def line(store: ObjectStore, tmp_path: Path) -> str:
    """A line whose second candidate was refused, and whose third was promoted."""
    name, last, production = tmp_path.name, None, None
    for version, (after, at) in enumerate(MOVES, start=1):
        entry = LedgerEntry(
            line=name, action="refused" if after == production else "promoted",
            from_version=production, to_version=after, candidate_version=version, verdict=None,
            reason="because", evidence={}, by="policy", at=at,
            previous_sha256=last.sha256 if last else "",
        )  # fmt: skip
        last, production = append(store, entry, last), after
    return name


def test_it_says_that_the_chain_is_unbroken(assayline: Command, line: str) -> None:
    shown = assayline("ledger", line)
    assert shown.returncode == 0, shown.stderr
    assert "3 of 3 entries are as they were written" in shown.stdout
    assert len(json.loads(assayline("ledger", line, "--json").stdout)) == 3


@pytest.mark.parametrize("options", [(), ("--json",), ("--at", "2026-11-01")])
def test_a_broken_chain_is_one_message_that_names_the_entry(
    options: tuple[str, ...], assayline: Command, line: str, store: ObjectStore
) -> None:
    uri = store.list(store.uri("ledger", line))[1]
    store.put_bytes(uri, store.get_bytes(uri).replace(b'"policy"', b'"nobody"'))
    shown = assayline("ledger", line, *options)
    assert shown.returncode == 1
    assert shown.stdout == ""
    assert f"{uri} was changed after it was written" in shown.stderr
    assert shown.stderr.count("error:") == 1
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize(
    ("at", "version"),
    [
        ("2026-10-30", None),
        ("2026-10-31", 1),
        ("2026-11-01T09:59", 1),
        ("2026-11-01T10:00", 2),
        ("2026-11-01T10:30+01:00", 1),
        ("2026-11-01T11:00:00+01:00", 2),
    ],
)
def test_who_was_in_production_at_a_time(
    at: str, version: int | None, assayline: Command, line: str
) -> None:
    shown = assayline("ledger", line, "--at", at, "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["production"] == version


def test_the_answer_says_which_moment_it_is_for(assayline: Command, line: str) -> None:
    said = assayline("ledger", line, "--at", "2026-11-01T10:30+01:00").stdout
    assert f"version 1 of {line} was in production at 2026-11-01T09:30:00+00:00" in said
    said = assayline("ledger", line, "--at", "2026-10-30").stdout
    assert f"no version of {line} was in production at 2026-10-30T00:00:00+00:00" in said


@pytest.mark.parametrize(
    ("at", "said"),
    [("yesterday", "2026-11-01T12:00+01:00"), ("2026-13-01", "a date"), ("2999-01-01", "to come")],
)
def test_a_wrong_time_is_one_clear_message(at: str, said: str, assayline: Command) -> None:
    shown = assayline("ledger", "any-line", "--at", at)
    assert shown.returncode == 2
    assert said in shown.stdout + shown.stderr
    assert at in shown.stdout + shown.stderr
    assert "Traceback" not in shown.stdout + shown.stderr
