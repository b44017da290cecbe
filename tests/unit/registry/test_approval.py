"""What becomes of a request for approval, by the state of the run that waits, and by its time."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tasks.records.registry import Approval, LedgerEntry
from tasks.registry.approval import (
    WaitingRun,
    close_requests,
    open_requests,
    what_became_of,
)
from tasks.registry.ledger import AWAITING, Recorded
from tasks.registry.transitions import record
from tasks.verdicts import Verdict
from tests.unit.registry.held_in_memory import LINE, Line, evidence

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def entry(action: str = AWAITING, version: int = 1, days: float = 7) -> LedgerEntry:
    until = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    return LedgerEntry(
        "reviews", action, None, None, version, Verdict.PASS, "as seen", {}, "policy", until, "",
        run="run-1", until=until,
    )  # fmt: skip


def seen(state: str, days: float = 0, answer: Approval | None = None) -> WaitingRun:
    """A run that came into a state so many days from now; of one that is gone nobody knows."""
    return WaitingRun(state, datetime.now(UTC) + timedelta(days=days) if state else None, answer)


def history(entries: Iterable[LedgerEntry]) -> list[Recorded]:
    return [Recorded(one, number, "", "") for number, one in enumerate(entries, start=1)]


@pytest.mark.parametrize("state", ["SCHEDULED", "PENDING", "RUNNING"])
@pytest.mark.parametrize("days", [-1, 7])
def test_what_somebody_has_just_decided_is_left_to_its_run(state: str, days: float) -> None:
    assert what_became_of(entry(days=days), seen(state)) is None


def test_who_waits_in_time_waits_on() -> None:
    assert what_became_of(entry(), seen("PAUSED", -1)) is None


@pytest.mark.parametrize("state", ["PAUSED", "", *FINAL])
def test_after_its_time_a_request_is_rejected(state: str) -> None:
    closed = what_became_of(entry(days=-1), seen(state))
    assert closed
    assert closed[0] == "rejected"


@pytest.mark.parametrize("state", ["", *FINAL])
def test_a_run_that_ended_before_anybody_decided_withdraws_its_request(state: str) -> None:
    closed = what_became_of(entry(), seen(state))
    assert closed
    assert closed[0] == "withdrawn"


@pytest.mark.parametrize("state", FINAL)
def test_a_run_that_ended_in_time_was_not_left_waiting_by_anybody(state: str) -> None:
    """However late that is looked at."""
    closed = what_became_of(entry(days=-1), seen(state, days=-2))
    assert closed
    assert closed[0] == "withdrawn"
    assert (
        closed[1] == f"the run that asked for approval ended as {state} before anybody had decided"
    )


@pytest.mark.parametrize("days", [-1, 7])
@pytest.mark.parametrize("word", ["approved", "rejected"])
def test_a_persons_word_is_told_where_its_run_ended_before_it_had_recorded_it(
    days: float, word: str
) -> None:
    answer = Approval(word == "approved", "Ada", "as measured")
    closed = what_became_of(entry(days=days), seen("CRASHED", -0.5, answer))
    if answer.approved:
        told = "Ada approved it (as measured), and the run ended as CRASHED before that was"
        assert closed == ("withdrawn", f"{told} carried out", "policy")
    else:
        told = "Ada rejected it (as measured), and the run ended as CRASHED before that was"
        assert closed == ("rejected", f"{told} recorded", "Ada")
    assert what_became_of(entry(days=days), seen("RUNNING", -0.5, answer)) is None


@pytest.mark.parametrize("action", ["promoted", "refused", "rejected", "withdrawn", "overridden"])
def test_the_next_decision_on_a_version_closes_its_request(action: str) -> None:
    assert open_requests(history([entry(), entry(action)])) == []


def test_what_becomes_of_other_versions_closes_nothing() -> None:
    entries = history(
        [entry(), entry(version=2), entry("promoted", version=3), entry("refused", 2)]
    )
    assert [one.number for one in open_requests(entries)] == [1]


def test_of_two_requests_of_a_version_the_newer_one_is_open() -> None:
    newer = replace(entry(), run="run-2")
    assert [one.entry.run for one in open_requests(history([entry(), newer]))] == ["run-2"]


def test_two_that_look_at_the_same_moment_close_a_request_once() -> None:
    """A run of the line and the look at its aliases: what the second one read is no more so."""
    line = Line()
    servers = {"store": line.store, "tracking": line.registry}
    state, _ = line.settle()
    asked = record(
        **servers, state=state, action=AWAITING, to_version=None, candidate=1,  # type: ignore[arg-type]
        verdict=Verdict.PASS, reason="waits", by="policy", evidence=evidence(1), run="run-1",
        until=entry().until,
    )  # fmt: skip
    both = [open_requests(line.state().history) for _ in range(2)]
    closed = [close_requests(one, lambda _: seen("CANCELLED"), **servers) for one in both]  # type: ignore[arg-type]
    assert [[one.action for one in entries] for entries in closed] == [["withdrawn"], []]
    assert [one.entry.action for one in line.state().history] == [AWAITING, "withdrawn"]
    assert asked.entry.line == LINE
