"""The look at a line's aliases between runs, on a real registry that somebody moves them in."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from infra.errors import PromotionError, TrackingAwayError
from infra.model_registry import Registry
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import AliasCheck, LedgerEntry
from tasks.registry import transitions
from tasks.registry.alias_check import check_aliases
from tasks.registry.manual_promotion import roll_back_line
from tasks.registry.settings import OnOutsideMove
from tests.faults.lines import Line, new_line

BEFORE = [("promoted", None, 1), ("promoted", 1, 2), ("refused", 2, 2)]


@pytest.fixture
def line(request: pytest.FixtureRequest, store: ObjectStore, tracking: Tracking) -> Line:
    """A line with versions 1 and 2 promoted, and a third that was refused."""
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    return new_line(f"watched-{name}", store, tracking, "++-")


def check(line: Line, how: OnOutsideMove, patience_s: float | None = 5.0) -> AliasCheck:
    return check_aliases(
        line.name, how, store=line.store, tracking=line.tracking, patience_s=patience_s
    )


def test_where_nothing_was_moved_nothing_is_written(line: Line) -> None:
    before = line.tracking.read_record(f"{line.name}.ledger")
    assert check(line, "restore") == AliasCheck(line.name)
    assert line.moves == BEFORE
    assert line.tracking.read_record(f"{line.name}.ledger") == before
    assert check_aliases(
        "no-such-line", "restore", store=line.store, tracking=line.tracking
    ) == AliasCheck("no-such-line")


@pytest.mark.parametrize(
    ("how", "done", "production", "entries"),
    [
        ("refuse", "undecided", 3, [("moved outside", 2, 3)]),
        ("restore", "restored", 2, [("moved outside", 2, 3), ("restored", 3, 2)]),
        ("accept", "accepted", 3, [("moved outside", 2, 3), ("accepted", 3, 3)]),
    ],
)
def test_a_move_is_recorded_once_and_the_setting_decides(
    how: OnOutsideMove, done: str, production: int, entries: list[object], line: Line
) -> None:
    line.tracking.set_alias(line.name, "production", 3)
    found = check(line, how)
    assert found.done == done
    assert "production names version 3 in MLflow, and by the ledger it is version 2" in found.moved
    assert (found.seen, found.by_ledger) == ((3, 1), (2, 1))
    assert line.aliases["production"] == production
    assert line.moves == [*BEFORE, *entries]
    assert found.ledger_uri.startswith(
        line.store.uri("ledger", line.name, f"{3 + len(entries):08d}")
    )
    again = check(line, how)
    assert line.moves == [*BEFORE, *entries]
    if how == "refuse":  # which is still to be decided, and is the same move
        assert again == found
    else:
        assert again == AliasCheck(line.name)


def test_production_that_was_taken_away_is_put_back(line: Line) -> None:
    line.tracking.delete_alias(line.name, "production")
    assert check(line, "restore").done == "restored"
    assert line.aliases == {"production": 2, "previous": 1, "staging": 2}
    assert line.moves[3:] == [("moved outside", 2, None), ("restored", None, 2)]


@pytest.mark.slow
def test_what_cannot_be_put_back_is_said(line: Line) -> None:
    line.tracking.set_alias(line.name, "production", 3)
    line.tracking._client.delete_model_version(line.name, "2")
    with pytest.raises(PromotionError, match="MLflow no longer has version 2"):
        check(line, "restore", patience_s=0)
    assert line.moves[3:] == [("moved outside", 2, 3)]


def test_what_was_cut_short_is_left_to_who_asks_for_it_again(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look before a rollback must not finish it: the rollback would go back once more."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(transitions, "_move", die)
        with pytest.raises(KeyboardInterrupt):
            line.promote(line.add())
    for patience_s, production in ((None, 2), (0.0, 4)):
        assert check(line, "restore", patience_s) == AliasCheck(line.name)
        assert line.aliases["production"] == production


def test_a_rollback_that_a_look_finished_is_not_done_again_by_its_next_try(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task of a rollback waits up to a minute before it is tried again, a look 20 s."""
    monkeypatch.setattr("tasks.registry.manual_promotion.load_test", lambda *_, **__: None)

    def roll_back(run: str) -> LedgerEntry:
        return roll_back_line(
            line.name, "Ada", "worse", store=line.store, tracking=line.tracking, run=run
        )

    def away(*_: object) -> None:
        raise TrackingAwayError("MLflow does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(transitions, "_move", away)
        with pytest.raises(PromotionError, match="could not be carried out to the end"):
            roll_back("one")
    assert check(line, "restore", 0.0) == AliasCheck(line.name)
    assert line.aliases["production"] == 1
    assert (roll_back("one"), line.aliases["production"]) == (line.ledger[-1], 1)
    # Who asks once more, in the same words, means it.
    roll_back("two")
    assert line.aliases["production"] == 2
    assert line.moves[3:] == [("rolled back", 2, 1), ("rolled back", 1, 2)]


@contextmanager
def slow_aliases(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[threading.Event]:
    """Each alias takes its time to be set, so that a look falls between two of them."""
    begun, set_alias = threading.Event(), Registry.set_alias

    def slowly(self: Registry, line: str, alias: str, version: int) -> None:
        begun.set()
        time.sleep(seconds)
        set_alias(self, line, alias, version)

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "set_alias", slowly)
        yield begun


@pytest.mark.slow
def test_a_promotion_under_way_is_waited_for_and_is_no_move(
    line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fourth = line.add()
    with slow_aliases(monkeypatch, 1.0) as begun:
        promotion = threading.Thread(target=line.promote, args=(fourth,))
        promotion.start()
        assert begun.wait(30)
        found = check(line, "restore", patience_s=30)
        promotion.join()
    assert found == AliasCheck(line.name)
    assert line.moves == [*BEFORE, ("promoted", 2, 4)]
    assert "had not been carried out" not in caplog.text


@pytest.mark.slow
def test_a_promotion_that_was_cut_short_is_finished_after_a_while(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(transitions, "_move", die)
        with pytest.raises(KeyboardInterrupt):
            line.promote(line.add())
    assert line.aliases["production"] == 2
    assert check(line, "restore", patience_s=1.5) == AliasCheck(line.name)
    assert line.aliases["production"] == 4
    assert line.moves == [*BEFORE, ("promoted", 2, 4)]
