"""What is told of aliases that are not what the ledger says, over a registry held in memory."""

import pytest

from infra.errors import PromotionError
from infra.write_once import OnceRecord
from tasks.records.registry import LedgerEntry
from tasks.registry.audit import audit_ledger
from tasks.registry.ledger import (
    ACCEPTED,
    MOVED_OUTSIDE,
    OVERRIDDEN,
    PROMOTED,
    REFUSED,
    RESTORED,
    ROLLED_BACK,
)
from tasks.registry.outcomes import Outcome, agreed_outcome, outcome_of
from tasks.registry.outside_moves import describe, refusal
from tasks.registry.transitions import bring_in_order, carry_out
from tasks.registry.version_tags import ENTRY_TAG
from tests.unit.registry.held_in_memory import LINE, CutOffError, Line


@pytest.fixture
def line() -> Line:
    """A line that promoted versions 1 and 2."""
    made = Line()
    made.move(PROMOTED, 1)
    made.move(PROMOTED, 2)
    return made


def entry(
    action: str, before: int | None, after: int | None, previous: int | None = None
) -> LedgerEntry:
    return LedgerEntry(LINE, action, before, after, after or 0, None, "", {}, "", "", "", previous)


FIRST, SECOND = entry(PROMOTED, None, 1), entry(PROMOTED, 1, 2)


@pytest.mark.parametrize(
    ("entries", "outcome"),
    [
        ([], Outcome()),
        ([FIRST], Outcome(1, None, 1)),
        ([FIRST, SECOND], Outcome(2, 1, 2)),
        ([FIRST, SECOND, entry(REFUSED, 2, 2)], Outcome(2, 1, 2)),
        ([FIRST, SECOND, entry(ROLLED_BACK, 2, 1)], Outcome(1, 2, 2)),
        ([FIRST, SECOND, entry(ROLLED_BACK, 2, 1), entry(OVERRIDDEN, 1, 3)], Outcome(3, 1, 3)),
        ([FIRST, SECOND, entry(MOVED_OUTSIDE, 2, 3, 1)], Outcome(3, 1, 2)),
        ([FIRST, SECOND, entry(MOVED_OUTSIDE, 2, None, 1)], Outcome(None, 1, 2)),
        (
            [FIRST, SECOND, entry(MOVED_OUTSIDE, 2, 3, 1), entry(RESTORED, 3, 2, 1)],
            Outcome(2, 1, 2),
        ),
        (
            [FIRST, SECOND, entry(MOVED_OUTSIDE, 2, 3, 1), entry(ACCEPTED, 3, 3, 2)],
            Outcome(3, 2, 2),
        ),
    ],
)
def test_what_a_ledger_comes_to(entries: list[LedgerEntry], outcome: Outcome) -> None:
    assert outcome_of(entries) == outcome


def test_moves_outside_are_agreed_on_when_they_are_decided() -> None:
    away, further = entry(MOVED_OUTSIDE, 2, 3, 1), entry(MOVED_OUTSIDE, 3, 4, 1)
    assert agreed_outcome([FIRST, SECOND, away, further]) == Outcome(2, 1, 2)
    decided = [FIRST, SECOND, away, further, entry(ACCEPTED, 4, 4, 2)]
    assert agreed_outcome(decided) == Outcome(4, 2, 2)
    assert agreed_outcome([]) == Outcome()


def test_a_settled_line_has_nothing_to_tell(line: Line) -> None:
    state = line.state()
    assert [state.outside, state.stale, state.disputed, state.in_doubt] == [False] * 4
    assert state.aliases == state.outcome.served == (2, 1)


@pytest.mark.parametrize("alias", ["production", "previous"])
def test_each_alias_alone_is_seen(alias: str, line: Line) -> None:
    line.registry.by_alias[alias] = 3
    state = line.state()
    assert state.outside
    assert state.in_doubt
    assert not state.stale
    assert (state.production, state.previous) == (2, 1)
    assert f"{alias} names version 3 in MLflow" in refusal(state, line.registry)  # type: ignore[arg-type]


def test_an_alias_of_a_version_that_is_not_there_is_named(line: Line) -> None:
    line.registry.by_alias["production"] = 9
    told = describe(line.state(), (2, 1), line.registry)  # type: ignore[arg-type]
    assert told == (
        "production names version 9 in MLflow, and by the ledger it is version 2; MLflow has no "
        "version 9, though the alias names it"
    )


def test_a_clock_that_was_set_back_changes_no_order_and_is_told(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = audit_ledger(LINE, store=line.store, tracking=line.registry)  # type: ignore[arg-type]
    assert audit.remarks == ()
    monkeypatch.setattr("tasks.registry.transitions.now", lambda: "2020-01-01T00:00:00.000+00:00")
    line.move(PROMOTED, 3)
    assert line.state().production == 3
    audit = audit_ledger(LINE, store=line.store, tracking=line.registry)  # type: ignore[arg-type]
    (told,) = audit.remarks
    assert "is dated 2020-01-01T00:00:00.000+00:00, before entry" in told
    assert audit.entries[-1].to_version == 3


def test_staging_is_nobodys_decision(line: Line) -> None:
    """A candidate that was staged takes it, before anything stands in the ledger."""
    line.registry.by_alias["staging"] = 3
    assert not line.state().differs
    line.move(REFUSED, 3)
    assert line.registry.by_alias["staging"] == 3


def test_a_version_that_was_registered_anew_under_its_number_stops_everything(line: Line) -> None:
    line.registry.tags[2]["assayline.weights_sha256"] = "other"
    with pytest.raises(PromotionError, match=r"is of the weights other, and .* with w2"):
        line.state()


def sleep_before_moving(line: Line) -> None:
    """A rollback that sleeps after its mark; others finish it, and promote version 3."""
    line.writes.allowed = 3
    with pytest.raises(CutOffError):
        line.move(ROLLED_BACK, 1)
    line.writes.allowed = 10**6
    line.move(PROMOTED, 3)


def test_stale_aliases_of_a_process_that_slept_are_no_move_of_a_hand(line: Line) -> None:
    sleep_before_moving(line)
    assert line.registry.by_alias == {"production": 3, "previous": 1, "staging": 3}
    line.registry.by_alias |= {"production": 1, "previous": 2}
    state = line.state()
    assert state.stale
    assert [state.outside, state.in_doubt] == [False, False]
    assert (state.production, state.previous) == (3, 1)
    line.settle()
    assert line.registry.by_alias == {"production": 3, "previous": 1, "staging": 3}
    assert not line.state().differs


def test_what_no_sleeping_process_could_have_left_is_a_move_of_a_hand(line: Line) -> None:
    sleep_before_moving(line)
    line.registry.by_alias["production"] = 4
    assert line.state().outside
    # And so is the same alias where nobody sleeps.
    line.registry.record = OnceRecord(line.registry.record.values, {})
    line.registry.by_alias |= {"production": 1, "previous": 2}
    assert line.state().outside


def test_stale_staging_is_set_right_too(line: Line) -> None:
    line.move(PROMOTED, 3)
    line.move(REFUSED, 4)
    line.registry.by_alias["staging"] = 2
    carry_out(line.state().history, line.store, line.registry)  # type: ignore[arg-type]
    assert line.registry.by_alias["staging"] == 3


def test_an_entry_that_is_not_the_newest_moves_nothing(line: Line) -> None:
    old = line.state().history
    line.move(PROMOTED, 3)
    before = dict(line.registry.by_alias)
    carry_out(old, line.store, line.registry)  # type: ignore[arg-type]
    assert line.registry.by_alias == before
    assert line.registry.record.marks == {}


def test_a_process_that_is_overtaken_while_it_moves_carries_out_the_newest(line: Line) -> None:
    history = line.state().history
    original = line.registry.known_version

    def overtaken(*arguments: object) -> object:
        line.registry.known_version = original  # type: ignore[method-assign]
        line.move(PROMOTED, 3)
        line.registry.by_alias["production"] = 2  # what this process writes late
        return original(*arguments)  # type: ignore[arg-type]

    line.registry.known_version = overtaken  # type: ignore[method-assign,assignment]
    carry_out(history, line.store, line.registry)  # type: ignore[arg-type]
    assert line.registry.by_alias == {"production": 3, "previous": 2, "staging": 3}


def test_a_line_that_moves_at_each_look_is_told_so(line: Line) -> None:
    """Its aliases differ each time, and its ledger is another one each time that is asked."""
    line.registry.by_alias["production"] = 4
    looks = iter(range(3, 100))

    def read_record(_: str) -> OnceRecord:
        values = dict(line.registry.record.values)
        if next(looks) % 2 == 0:
            values["00000099"] = "other"
        return OnceRecord(values, {})

    line.registry.read_record = read_record  # type: ignore[method-assign]
    with pytest.raises(PromotionError, match="is moved by others at this moment"):
        line.state()


def test_a_move_is_recorded_once(line: Line) -> None:
    line.registry.by_alias["production"] = 3
    for _ in range(2):
        state, _ = bring_in_order(LINE, line.store, line.registry)  # type: ignore[arg-type]
        assert state.disputed
    assert [one.entry.action for one in state.history] == [PROMOTED, PROMOTED, MOVED_OUTSIDE]
    assert state.history[-1].entry.previous_version == 1
    assert line.registry.by_alias == {"production": 3, "previous": 1, "staging": 2}


def test_what_a_sleeping_process_left_after_a_move_of_a_hand_is_one_more_move(line: Line) -> None:
    """The newest entry tells of a move outside then, which is no place to go back to."""
    sleep_before_moving(line)
    line.registry.by_alias["production"] = 4
    bring_in_order(LINE, line.store, line.registry)  # type: ignore[arg-type]
    line.registry.by_alias |= {"production": 1, "previous": 2}
    state = line.state()
    assert state.outside
    assert not state.stale


def test_aliases_that_a_mark_of_the_newest_entry_explains_are_no_stale_ones(line: Line) -> None:
    line.registry.record = OnceRecord(
        line.registry.record.values, {"assayline.moving.00000002.0a0a0a0a": "now"}
    )
    line.registry.by_alias["production"] = 1
    assert line.state().outside


# Of another registry


def forget(line: Line, *, tags_of: tuple[int, ...] = ()) -> None:
    """Leave the line as a second stack finds it: no index, and no version that names an entry."""
    line.registry.record = OnceRecord({}, {})
    for version in tags_of:
        del line.registry.tags[version][ENTRY_TAG]


def test_a_ledger_of_another_registry_is_not_taken_over(line: Line) -> None:
    forget(line, tags_of=(1, 2))
    with pytest.raises(PromotionError, match=f"no version of {LINE} at http://mlflow names an"):
        line.state()


def test_one_version_that_names_an_entry_is_enough(line: Line) -> None:
    forget(line, tags_of=(1,))
    assert line.state().production == 2


@pytest.mark.parametrize(
    ("weights", "is_ours"), [("w1", True), ("those of another stack", False), (None, False)]
)
def test_a_first_entry_may_have_been_cut_off(weights: str | None, is_ours: bool) -> None:  # noqa: FBT001
    """An earlier release died between the entry and the version: the same weights are the proof."""
    line = Line()
    line.move(PROMOTED, 1)
    forget(line, tags_of=(1,))
    if weights is None:
        del line.registry.tags[1]
    else:
        line.registry.tags[1]["assayline.weights_sha256"] = weights
    if is_ours:
        assert line.state().pending is not None
        return
    with pytest.raises(PromotionError, match="is of another MLflow server"):
        line.state()


@pytest.mark.parametrize("allowed", [3, 4, 5])
def test_aliases_on_their_way_are_no_move_of_a_hand(allowed: int, line: Line) -> None:
    """None, one or both of them are moved, and the version does not name the entry yet."""
    line.move(PROMOTED, 3)
    line.writes.allowed = allowed
    with pytest.raises(CutOffError):
        line.move(ROLLED_BACK, 2)
    line.writes.allowed = 10**6
    state = line.state()
    assert state.pending is not None
    assert not state.differs
    line.registry.by_alias["production"] = 4
    assert line.state().outside
