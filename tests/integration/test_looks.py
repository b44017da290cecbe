"""Looks on real servers: those of one moment each count, and the console shows them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.commands.cli import main
from infra.row_hashes import hashes_of, to_bytes
from infra.settings import Settings
from infra.store import ObjectStore, keep_by_digest
from infra.tracking import Tracking
from tasks.records.looks import HeldOut, Look
from tasks.records.registry import Judgement
from tasks.registry.looks import read_looks, record_look, settle_look
from tasks.verdicts import Gate, Verdict

GATES = (Gate(metric="champion.macro_f1_gain", at_least=-0.02),)
ROWS = [f"row {number}" for number in range(200)]
WRITERS = 6


class Line:
    """A line of this test's own."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name, self.settings = name, settings

    def held_out(self, rows: Sequence[str]) -> HeldOut:
        """As an earlier stage names the rows."""
        store = ObjectStore(self.settings)
        hashes = keep_by_digest(store, "held-out", to_bytes(hashes_of(rows)), "u64")
        return HeldOut(hashes, len(rows))

    def look(self, weights: str, held_out: HeldOut) -> Look:
        """As a process of its own makes it."""
        store, tracking = ObjectStore(self.settings), Tracking(self.settings)
        return record_look(
            self.name, weights, held_out, GATES, "a run", store=store, tracking=tracking
        )


@pytest.fixture
def line(mlflow_settings: Settings, tmp_path: Path) -> Line:
    return Line(tmp_path.name, mlflow_settings)


def test_looks_at_the_same_moment_each_count_once(line: Line, tracking: Tracking) -> None:
    held_out = line.held_out(ROWS)
    weights = [f"w{number % 4}" for number in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        made = list(pool.map(line.look, weights, [held_out] * WRITERS))
    known = read_looks(line.name, store=ObjectStore(line.settings), tracking=tracking)
    assert [one.number for one in known] == list(range(1, len(known) + 1))
    # The same weights at the same moment may be counted twice, and never less than once.
    assert {one.weights_sha256 for one in made} == {"w0", "w1", "w2", "w3"}
    assert len({look.number for look in made}) == len(known)
    assert [one.look.since_pass for one in known if one.look] == [one.number for one in known]
    again = {line.look(f"w{number}", held_out).number for number in range(4)}
    assert again <= {one.number for one in known}


def test_the_console_shows_the_looks(
    line: Line,
    tracking: Tracking,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number, verdict in enumerate((Verdict.UNDETERMINED, Verdict.PASS, None, None), start=1):
        rows = line.held_out([*ROWS, *(f"new {n}" for n in range(number))])
        look = line.look(f"weights {number}", rows)
        if verdict:
            settle_look(look, Judgement((), verdict, (), look), tracking)
    settings = line.settings.as_environment() | {"ASSAYLINE_HOME": str(tmp_path), "COLUMNS": "150"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(("ledger", line.name, "--looks"))
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "rows of look 4 is judged at 99.58% (look 3 since a pass)" in " ".join(said.split())
    shown = [row.split() for row in said.splitlines()]
    assert [row[4:] for row in shown if row and row[0].isdigit()] == [
        ["1", "201", "201", "1", "97.5%", "undetermined"],
        ["2", "202", "1", "2", "99.17%", "pass"],
        ["3", "203", "1", "1", "97.5%", "not", "judged"],
        ["4", "204", "1", "2", "99.17%", "not", "judged"],
    ]
    with pytest.raises(SystemExit) as ended:
        main(("ledger", line.name, "--looks", "--at", "2026-01-01"))
    assert ended.value.code == 1
    assert "--looks and --at are two questions" in " ".join(capsys.readouterr().err.split())
