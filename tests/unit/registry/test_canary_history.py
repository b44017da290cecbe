"""What a ledger says of a canary, and what of it is known to who asks each few seconds."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.errors import PromotionError
from tasks.registry.canary import canary_of
from tasks.registry.canary_history import open_canary, stopped_by_moves
from tasks.registry.ledger import (
    CANARY_ADVANCED,
    CANARY_STARTED,
    CANARY_STOPPED,
    OVERRIDDEN,
    PROMOTED,
    REFUSED,
    ROLLED_BACK,
    Recorded,
)
from tasks.registry.transitions import record, settle
from tests.unit.registry.held_in_memory import LINE, Line, evidence

LATER = (datetime.now(UTC) + timedelta(days=7)).isoformat()
EARLIER = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()


class Tried(Line):
    """A line whose candidates are tried before they take over; version 1 is in production."""

    def __init__(self) -> None:
        super().__init__()
        self.move(PROMOTED, 1)

    def note(
        self, action: str, candidate: int, step: int = 0, until: str = "", by: str = "policy"
    ) -> Recorded:
        """An entry that moves nothing."""
        state, _ = settle(LINE, self.store, self.registry)  # type: ignore[arg-type]
        return record(
            self.store, self.registry, state, action=action,  # type: ignore[arg-type]
            to_version=state.production, candidate=candidate, verdict=None, reason="as seen",
            by=by, evidence=evidence(candidate), until=until, step=step, share=step / 10,
        )  # fmt: skip

    def begin(self, candidate: int, until: str = LATER) -> Recorded:
        return self.note(CANARY_STARTED, candidate, 1, until)

    def seen_canary(self) -> tuple[int, int] | None:
        """Version and step of the canary, as a server sees it."""
        step = canary_of(LINE, store=self.store, tracking=self.registry)  # type: ignore[arg-type]
        found = open_canary(self.state().history)
        assert step is None or (found and found.step == step)
        return (step.version, step.number) if step else None


@pytest.fixture
def line() -> Tried:
    return Tried()


def test_a_line_without_a_canary_has_none(line: Tried) -> None:
    assert Line().state().history == ()
    assert canary_of(LINE, store=Line().store, tracking=Line().registry) is None  # type: ignore[arg-type]
    assert line.seen_canary() is None


def test_a_canary_is_at_the_step_that_its_newest_entry_began(line: Tried) -> None:
    began = line.begin(2)
    assert line.seen_canary() == (2, 1)
    newest = line.note(CANARY_ADVANCED, 2, 2, LATER)
    step = canary_of(LINE, store=line.store, tracking=line.registry)  # type: ignore[arg-type]
    assert step is not None
    assert (step.version, step.weights_sha256, step.production) == (2, "w2", 1)
    assert (step.number, step.share, step.ledger_uri) == (2, 0.2, newest.uri)
    assert (step.since, step.started) == (newest.entry.at, began.entry.at)


@pytest.mark.parametrize("action", [CANARY_STOPPED, REFUSED])
def test_what_is_decided_on_the_candidate_ends_its_canary(line: Tried, action: str) -> None:
    line.begin(2)
    line.note(action, 2)
    assert line.seen_canary() is None
    assert open_canary(line.state().history) is None
    line.begin(2)
    assert line.seen_canary() == (2, 1)


@pytest.mark.parametrize("action", [PROMOTED, OVERRIDDEN])
def test_a_candidate_that_is_put_in_production_is_a_canary_no_more(
    line: Tried, action: str
) -> None:
    line.begin(2)
    line.move(action, 2)
    assert line.seen_canary() is None
    assert open_canary(line.state().history) is None


def test_what_is_decided_on_another_version_leaves_the_canary(line: Tried) -> None:
    line.begin(2)
    line.note(REFUSED, 3)
    assert line.seen_canary() == (2, 1)


@pytest.mark.parametrize("action", [PROMOTED, OVERRIDDEN, ROLLED_BACK])
def test_a_move_of_production_leaves_a_canary_that_is_asked_nothing_and_is_to_be_stopped(
    line: Tried, action: str
) -> None:
    line.begin(2)
    moved = line.move(action, 3)
    assert line.seen_canary() is None
    found = open_canary(line.state().history)
    assert found is not None
    assert (found.moved, found.step) == (moved, None)
    line.note(CANARY_STOPPED, 2)
    assert open_canary(line.state().history) is None


def test_a_move_in_mlflow_that_nobody_recorded_yet_ends_the_requests_at_once(line: Tried) -> None:
    line.begin(2)
    line.registry.by_alias["production"] = 3
    assert canary_of(LINE, store=line.store, tracking=line.registry) is None  # type: ignore[arg-type]
    line.reconcile("restore")
    assert line.registry.by_alias["production"] == 1
    # It was away for a time that nobody knows: what was compared is of two versions.
    assert line.seen_canary() is None


def test_a_canary_whose_time_is_over_is_asked_nothing(line: Tried) -> None:
    line.begin(2, EARLIER)
    assert canary_of(LINE, store=line.store, tracking=line.registry) is None  # type: ignore[arg-type]
    assert open_canary(line.state().history) is not None


def test_only_a_stop_for_a_move_says_nothing_of_the_candidate(line: Tried) -> None:
    line.begin(2)
    for_harm = line.note(CANARY_STOPPED, 2)
    line.begin(3)
    line.move(PROMOTED, 4)
    for_a_move = line.note(CANARY_STOPPED, 3)
    history = line.state().history
    assert for_harm.number in {one.number for one in history}
    assert stopped_by_moves(history) == {for_a_move.number}


@pytest.mark.parametrize(("action", "by"), [(REFUSED, "policy"), (CANARY_STOPPED, "Ada")])
def test_what_is_decided_on_a_candidate_after_a_move_is_a_decision(
    line: Tried, action: str, by: str
) -> None:
    line.begin(3)
    line.move(PROMOTED, 4)
    line.note(action, 3, by=by)
    history = line.state().history
    assert open_canary(history) is None
    assert not stopped_by_moves(history)


def test_no_more_of_the_ledger_is_read_than_the_entries_since_the_last_move(line: Tried) -> None:
    line.move(PROMOTED, 3)
    line.begin(2)
    oldest = min(line.store.objects)
    del line.store.objects[oldest]
    assert canary_of(LINE, store=line.store, tracking=line.registry) is not None  # type: ignore[arg-type]


def test_an_entry_that_was_changed_is_believed_nothing(line: Tried) -> None:
    uri = line.begin(2).uri
    line.store.objects[uri] = line.store.objects[uri].replace(b'"share": 0.1', b'"share": 0.9')
    with pytest.raises(PromotionError, match="is not what the registry knows"):
        canary_of(LINE, store=line.store, tracking=line.registry)  # type: ignore[arg-type]
