"""`assayline ledger` on real servers: it verifies all that it shows, and answers for any time."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flows.commands.cli import main
from infra.errors import PromotionError, TrackingError
from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.audit import audit_ledger
from tasks.registry.ledger import append
from tasks.registry.ledger_index import begin, record_name
from tests.faults.lines import old_style_line

Command = Callable[..., subprocess.CompletedProcess[str]]
# Version in production after each transition, and when it was.
MOVES = (
    (1, "2026-10-30T08:00:00.000+00:00"),
    (1, "2026-10-31T08:00:00.000+00:00"),
    (2, "2026-11-01T10:00:00.000+00:00"),
)
SINCE_THE_BACKUP = {"00000002", "00000003"}


@pytest.fixture
def assayline(
    mlflow_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """The console command in this process, with this test's store and MLflow and nothing else."""
    settings = mlflow_settings.as_environment() | {"ASSAYLINE_HOME": str(tmp_path)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        code = ended.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return call


@pytest.fixture
def line(store: ObjectStore, tracking: Tracking, tmp_path: Path) -> str:
    """A line whose second candidate was refused, and promoted the day after."""
    name, last, production = tmp_path.name, None, None
    tracking._client.create_registered_model(name)
    begin(name, {}, tracking)
    for version, (after, at) in zip((1, 2, 2), MOVES, strict=True):
        if not tracking.known_version(name, version):
            tracking._client.create_model_version(name, "s3://no/model", await_creation_for=0)
        entry = LedgerEntry(
            line=name, action="refused" if after == production else "promoted",
            from_version=production, to_version=after, candidate_version=version, verdict=None,
            reason="because", evidence={}, by="policy", at=at,
            previous_sha256=last.sha256 if last else "", previous_version=after - 1 or None,
        )  # fmt: skip
        last, production = append(store, tracking, entry, last), after
        tracking.set_tags(name, version, {"assayline.ledger": last.uri})
    for alias, version in {"production": 2, "previous": 1}.items():
        tracking.set_alias(name, alias, version)
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


def test_an_alias_that_somebody_moved_is_said_beside_the_history(
    assayline: Command, line: str, tracking: Tracking
) -> None:
    tracking.set_alias(line, "production", 1)
    shown = assayline("ledger", line)
    assert shown.returncode == 1
    assert "3 of 3 entries are as they were written" in shown.stdout
    assert "production names version 1 in MLflow, and by the ledger it is version 2" in shown.stderr
    assert f"assayline reconcile {line} --restore" in shown.stderr


def refusal_of(line: str, store: ObjectStore, tracking: Tracking) -> str:
    with pytest.raises(PromotionError) as told:
        audit_ledger(line, store=store, tracking=tracking)
    return str(told.value)


def test_newest_entries_that_were_deleted_are_missed(
    assayline: Command, line: str, store: ObjectStore
) -> None:
    uri = store.list(store.uri("ledger", line))[-1]
    store.delete(uri)
    shown = assayline("ledger", line)
    assert shown.returncode == 1
    assert shown.stdout == ""
    assert f"{uri} is missing, which the registry knows as entry 3" in shown.stderr


def test_what_else_can_be_done_to_the_objects_of_a_ledger_is_found(
    line: str, store: ObjectStore, tracking: Tracking
) -> None:
    uris = store.list(store.uri("ledger", line))
    kept = {uri: store.get_bytes(uri) for uri in uris}
    store.delete(uris[1])
    assert f"{uris[1]} is missing" in refusal_of(line, store, tracking)
    store.put_bytes(uris[1], kept[uris[1]])
    # An entry with the bytes of an older one, which are whole in themselves.
    store.put_bytes(uris[2], kept[uris[0]])
    told = refusal_of(line, store, tracking)
    assert f"{uris[2]} was changed after it was written" in told
    assert f"{uris[2]} is not what the registry knows as entry 3" in told
    store.delete(store.uri("ledger", line))
    told = refusal_of(line, store, tracking)
    assert all(f"{uri} is missing" in told for uri in uris)
    for uri, data in kept.items():
        store.put_bytes(uri, data)
    assert len(audit_ledger(line, store=store, tracking=tracking).entries) == 3


def test_a_database_of_mlflow_that_is_older_than_the_ledger_is_told(
    line: str, store: ObjectStore, tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a backup that was put back: its last two entries are unknown."""
    whole = tracking.read_record(record_name(line))
    values = {key: value for key, value in whole.values.items() if key not in SINCE_THE_BACKUP}
    monkeypatch.setattr(tracking, "read_record", lambda _: replace(whole, values=values))
    assert "MLflow's database is older than the ledger" in refusal_of(line, store, tracking)


def test_a_deleted_record_of_the_registry_is_no_ledger_without_one(
    line: str, store: ObjectStore, tracking: Tracking, mlflow_settings: Settings
) -> None:
    client = tracking._client
    found = client.get_experiment_by_name(record_name(line)).experiment_id
    client.delete_experiment(found)
    for known in (tracking, Tracking(mlflow_settings)):
        with pytest.raises(TrackingError, match=r"was deleted. Restore it there"):
            audit_ledger(line, store=store, tracking=known)
    client.restore_experiment(found)
    assert len(audit_ledger(line, store=store, tracking=tracking).entries) == 3


@pytest.mark.parametrize("left", [1, 0])
def test_entries_of_an_earlier_release_that_were_deleted_are_missed_by_versions(
    left: int, store: ObjectStore, tracking: Tracking
) -> None:
    name = f"old-deleted-{left}"
    old_style_line(name, store, tracking, [(None, 1), (1, 2)])
    gone = store.list(store.uri("ledger", name))[left:]
    for uri in gone:
        store.delete(uri)
    told = refusal_of(name, store, tracking)
    assert all(uri in told for uri in gone)
    assert "version 2 names" in told


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
