"""Why a run has not begun, told from what a work pool does."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from infra.prefect_api import AWAITS_SLOT, FlowRun, FlowRunState, WorkPool
from infra.run_queue import PoolState, waits_for

NOW = datetime(2026, 11, 27, 20, 31, 59, tzinfo=UTC)
URL = "http://127.0.0.1:14200/api"
REVIEWS, NEWS = uuid4(), uuid4()


def run(
    type_: str, deployment: UUID | None = REVIEWS, *, name: str = "", message: str | None = None
) -> FlowRun:
    state = FlowRunState(
        type=type_, name=name or type_.capitalize(), timestamp=NOW, message=message
    )
    return FlowRun(
        id=uuid4(), name="retrain reviews", state=state, deployment_id=deployment, start_time=NOW
    )


def pool(
    *runs: FlowRun, limit: int | None = None, paused: bool = False, worker: bool = True
) -> PoolState:
    found = WorkPool(name="assayline", is_paused=paused, concurrency_limit=limit)
    return PoolState(URL, found, worker, runs)


def test_another_run_of_the_deployment_is_named_with_its_page_and_since_when() -> None:
    ahead, waiting = run("RUNNING"), run("SCHEDULED", name=AWAITS_SLOT)
    reason = pool(ahead, run("RUNNING", NEWS), waiting).why_not_begun(waiting)
    assert reason.is_sure
    assert reason.words == (
        "waits for the run retrain reviews (since 2026-11-27 20:31 UTC; "
        f"http://127.0.0.1:14200/runs/flow-run/{ahead.id}), of the same deployment"
    )


def test_how_many_wait_for_it_is_told() -> None:
    waiting = run("SCHEDULED")
    reason = pool(run("CANCELLING"), waiting, run("SCHEDULED")).why_not_begun(waiting)
    assert reason.words.startswith("one of 2 that wait for the run retrain reviews")


def test_a_run_without_a_deployment_waits_for_none() -> None:
    waiting = run("SCHEDULED", None)
    assert not pool(run("RUNNING", None), waiting).why_not_begun(waiting).is_sure


def test_a_worker_that_is_down_is_said_beside_what_else_holds_the_run_back() -> None:
    down = "no worker of the work pool assayline is up; `assayline up`"
    for waiting in (run("SCHEDULED", name="Late"), run("PENDING")):
        reason = pool(waiting, worker=False).why_not_begun(waiting)
        assert reason.is_sure
        assert reason.words.startswith(down)
    waiting = run("SCHEDULED")
    both = pool(run("RUNNING"), waiting, worker=False).why_not_begun(waiting)
    assert "waits for the run retrain reviews" in both.words
    assert f"; and {down}" in both.words


def test_a_pool_that_is_paused_or_full_says_so() -> None:
    waiting, other = run("SCHEDULED"), run("RUNNING", NEWS)
    assert "is paused" in pool(waiting, paused=True).why_not_begun(waiting).words
    full = pool(other, waiting, limit=1).why_not_begun(waiting)
    assert full.is_sure
    assert "runs 1 at once, and these run: the run retrain reviews (since" in full.words
    assert not pool(other, waiting, limit=2).why_not_begun(waiting).is_sure


def test_what_needs_only_seconds_is_not_taken_for_a_reason() -> None:
    late = run("SCHEDULED", name="Late")
    assert not pool(late).why_not_begun(late).is_sure
    assert pool(late).why_not_begun(late).words.endswith("Prefect says Late")
    begins = run("PENDING")
    assert not pool(begins).why_not_begun(begins).is_sure


def test_a_run_that_waits_for_a_slot_says_what_its_state_says() -> None:
    reason = waits_for(run("RUNNING", name=AWAITS_SLOT, message="waits for the slot"), pool())
    assert reason
    assert (reason.words, reason.is_sure) == ("waits for the slot", True)
    assert waits_for(run("RUNNING"), pool()) is None
