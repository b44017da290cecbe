"""The ledger of looks: what is one look, what it inherits, and that none is forgotten."""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from infra.errors import StoreError, TrackingError
from infra.row_hashes import hashes_of, to_bytes
from infra.store import keep_by_digest
from infra.write_once import OnceRecord
from tasks.records.looks import HeldOut, Look
from tasks.records.registry import Judgement
from tasks.registry.looks import next_since_pass, read_looks, record_look, settle_look
from tasks.verdicts import Gate, Verdict
from tests.unit.registry.held_in_memory import LINE, CutOffError, Store, Writes

GATES = (
    Gate(metric="champion.macro_f1_gain", at_least=-0.02),
    Gate(metric="quality.macro_f1", at_least_of_champion=0.99),
)
FIRST_SPLIT = [f"row {number}" for number in range(100)]
OTHER_SPLIT = [f"other {number}" for number in range(100)]


class Records:
    """What MLflow's database sets once; ``between`` runs before the next value is set."""

    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.values: dict[str, str] = {}
        self.between: Callable[[], object] = lambda: None

    def read_record(self, name: str) -> OnceRecord:
        assert name == f"{LINE}.looks"
        return OnceRecord(dict(self.values), {})

    def write_once(self, name: str, key: str, value: str) -> str:
        assert name == f"{LINE}.looks"
        between, self.between = self.between, lambda: None
        between()
        self.writes.add(f"once {key}", value)
        return self.values.setdefault(key, value)


class Line:
    """A line whose looks are recorded."""

    def __init__(self) -> None:
        self.writes = Writes()
        self.store, self.records = Store(self.writes), Records(self.writes)

    def look(self, weights: str, rows: Sequence[str], run: str = "run", recipe: str = "") -> Look:
        content = to_bytes(hashes_of(rows))
        hashes = keep_by_digest(self.store, "held-out", content, "u64")  # type: ignore[arg-type]
        return record_look(
            LINE, weights, HeldOut(hashes, len(rows)), GATES, run, recipe,
            store=self.store, tracking=self.records,  # type: ignore[arg-type]
        )  # fmt: skip

    def settle(self, look: Look, verdict: Verdict) -> None:
        settle_look(look, Judgement((), verdict, (), look), self.records)  # type: ignore[arg-type]

    @property
    def looks(self) -> list[tuple[int, bool, list[str]]]:
        known = read_looks(LINE, store=self.store, tracking=self.records)  # type: ignore[arg-type]
        return [(one.number, one.look is not None, sorted(one.verdicts)) for one in known]


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_look_says_who_looked_at_what_and_which_gates_were_asked(line: Line) -> None:
    look = line.look("w1", FIRST_SPLIT, "run 7")
    assert (look.number, look.weights_sha256, look.run, look.earlier) == (1, "w1", "run 7", 0)
    assert look.held_out.rows == look.fresh.rows == 100
    assert look.gates == (
        "champion.macro_f1_gain at least -0.02", "champion.macro_f1_ratio at least 0.99",
    )  # fmt: skip
    (uri,) = (uri for uri in line.store.objects if "/looks/" in uri)
    assert json.loads(line.store.objects[uri])["at"] == look.at


def test_the_same_weights_on_the_same_rows_are_one_look_and_another_seed_is_not(line: Line) -> None:
    first = line.look("w1", FIRST_SPLIT)
    line.settle(first, Verdict.UNDETERMINED)
    assert line.look("w1", list(reversed(FIRST_SPLIT)), "another run") == first
    other_seed = line.look("w2", FIRST_SPLIT)
    assert (other_seed.number, other_seed.earlier, other_seed.since_pass) == (2, 1, 2)
    assert line.look("w1", FIRST_SPLIT) == first
    assert len(line.looks) == 2


def test_who_takes_the_best_seed_of_a_recipe_has_looked_with_each(line: Line) -> None:
    candidate = line.look("w1", FIRST_SPLIT)
    seeds = [line.look(f"w1, seed {seed}", FIRST_SPLIT, recipe="w1") for seed in (2, 3, 4)]
    assert [one.number for one in seeds] == [2, 3, 4]
    # Another candidate pays for the first alone, and a repeated run for nothing.
    other = line.look("w2", FIRST_SPLIT)
    assert (other.number, other.earlier, other.since_pass) == (5, 1, 2)
    assert line.look("w1, seed 3", FIRST_SPLIT, recipe="w1") == seeds[1]
    assert line.look("w1", FIRST_SPLIT) == candidate
    best = line.look("w1, seed 3", FIRST_SPLIT)
    assert (best.number, best.earlier, best.since_pass) == (6, 5, 6)
    assert line.look("w1, seed 3", FIRST_SPLIT) == best


def test_only_a_pass_frees_the_level_and_only_for_later_looks(line: Line) -> None:
    for week in range(1, 4):
        look = line.look(f"w{week}", FIRST_SPLIT)
        assert look.since_pass == week
        line.settle(look, Verdict.FAIL if week < 3 else Verdict.PASS)
    next_look = next_since_pass(LINE, look.held_out, store=line.store, tracking=line.records)  # type: ignore[arg-type]
    assert next_look == (1, 1)
    assert line.look("w4", FIRST_SPLIT).since_pass == 1
    assert line.look("w5", FIRST_SPLIT).since_pass == 2  # no verdict of w4 is known
    assert line.look("w3", FIRST_SPLIT).since_pass == 3  # as it was judged


def test_golden_sets_are_looked_at_whatever_the_test_rows_are(line: Line) -> None:
    """Another split gives its own rows a first look, and no golden set one."""
    for week, split in enumerate([FIRST_SPLIT, OTHER_SPLIT, ["a third split"]], start=1):
        look = line.look(f"w{week}", split)
        line.settle(look, Verdict.UNDETERMINED)
        assert (look.since_pass, look.of_line) == (1, week)
    following = next_since_pass(LINE, look.held_out, store=line.store, tracking=line.records)  # type: ignore[arg-type]
    assert following == (2, 4)
    line.settle(look, Verdict.PASS)
    assert line.look("w4", FIRST_SPLIT).of_line == 1


def test_a_run_that_is_killed_after_its_look_has_looked(line: Line) -> None:
    line.look("w1", FIRST_SPLIT)
    assert line.looks == [(1, True, [])]
    assert line.look("w2", FIRST_SPLIT).since_pass == 2


@pytest.mark.parametrize("writes", range(4))
def test_wherever_the_power_goes_off_a_look_counts_or_was_not_made(line: Line, writes: int) -> None:
    line.look("w0", FIRST_SPLIT)
    line.writes.allowed = writes
    made = None
    with contextlib.suppress(CutOffError):
        made = line.look("w1", FIRST_SPLIT)
    line.writes.allowed = 100
    assert made is None or (2, True, []) in line.looks
    again = line.look("w1", FIRST_SPLIT)
    assert (again.number, again.since_pass, len(line.looks)) == (2, 2, 2)


def test_of_two_looks_at_the_same_moment_the_second_knows_the_first(line: Line) -> None:
    line.records.between = lambda: line.look("w1", FIRST_SPLIT)
    late = line.look("w2", FIRST_SPLIT)
    assert (late.number, late.since_pass, late.earlier) == (2, 2, 1)
    assert line.looks == [(1, True, []), (2, True, [])]
    assert len([uri for uri in line.store.objects if "/looks/" in uri]) == 2


def test_another_split_of_other_rows_has_looks_of_its_own(line: Line) -> None:
    for week in range(5):
        line.look(f"w{week}", FIRST_SPLIT)
    other = line.look("w0", OTHER_SPLIT)
    assert (other.number, other.earlier, other.since_pass, other.fresh.rows) == (6, 0, 1, 100)


def test_a_changed_split_inherits_the_looks_at_every_row_that_it_shares(line: Line) -> None:
    for week in range(5):
        line.look(f"w{week}", FIRST_SPLIT)
    changed = line.look("w9", [*FIRST_SPLIT[:1], *OTHER_SPLIT])
    assert (changed.earlier, changed.since_pass, changed.fresh.rows) == (5, 6, 100)


def test_data_that_grows_keeps_the_count_and_its_new_rows_are_fresh(line: Line) -> None:
    rows = list(FIRST_SPLIT)
    for week in range(1, 6):
        look = line.look(f"w{week}", rows)
        assert (look.since_pass, look.fresh.rows) == (week, 100 if week == 1 else 7)
        rows += [f"week {week}, {number}" for number in range(7)]


def test_a_pass_on_other_rows_frees_nothing(line: Line) -> None:
    line.look("w1", FIRST_SPLIT)
    line.settle(line.look("w2", OTHER_SPLIT), Verdict.PASS)
    assert line.look("w3", FIRST_SPLIT).since_pass == 2


@pytest.mark.parametrize("fault", ["look lost", "look changed", "rows lost", "rows changed"])
def test_a_look_that_cannot_be_read_is_one_at_every_row(line: Line, fault: str) -> None:
    look = line.look("w1", FIRST_SPLIT)
    line.settle(look, Verdict.PASS)
    what, how = fault.split()
    folder = {"look": "/looks/", "rows": "/held-out/"}[what]
    (uri,) = (uri for uri in line.store.objects if folder in uri)
    if how == "lost":
        line.store.delete(uri)
    else:
        line.store.objects[uri] = line.store.objects[uri][::-1]
    later = line.look("w2", OTHER_SPLIT)
    assert (later.earlier, later.since_pass, later.fresh.rows) == (1, 2, 0)


def test_a_database_that_is_older_than_the_looks_stops_the_run(line: Line) -> None:
    for week in range(3):
        line.look(f"w{week}", FIRST_SPLIT)
    line.records.values = {"00000001": line.records.values["00000001"]}
    with pytest.raises(TrackingError, match="newer than what MLflow knows, 1 looks"):
        line.look("w9", FIRST_SPLIT)


def test_rows_that_are_not_those_that_were_named_stop_the_run(line: Line) -> None:
    look = line.look("w1", FIRST_SPLIT)
    gone = replace(look.held_out, hashes=replace(look.held_out.hashes, uri="s3://artifacts/gone"))
    with pytest.raises(StoreError, match="names the held-out rows"):
        record_look(
            LINE, "w2", gone, GATES, "", store=line.store, tracking=line.records,  # type: ignore[arg-type]
        )  # fmt: skip
