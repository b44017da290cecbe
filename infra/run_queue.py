"""The runs of a work pool that are under way or wait to begin: what each one does or waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from infra.prefect_api import (
    AWAITS_SLOT,
    PAUSED,
    FlowRun,
    PrefectApi,
    Progress,
    TaskRun,
    WorkPool,
)

UNDER_WAY = ("RUNNING", "PENDING", "CANCELLING")
ONLINE = "ONLINE"


@dataclass(frozen=True)
class OpenRun:
    """A run that has not ended, as `assayline status` shows it.

    Attributes:
        id: of the flow run.
        name: of the flow run.
        deployment: as `flow/name`; None where it was deleted.
        state: as Prefect names it.
        since: when it began to run, or else came into its state; ISO 8601.
        stage: what it does now; None where no stage runs.
        share_done: of this stage, from 0 to 1, where it shows how far it is.
        progress: the same in the stage's own words.
        waits: for what, in words; None where it does not wait.
        page: its address in the Prefect UI.

    """

    id: UUID
    name: str
    deployment: str | None
    state: str
    since: str
    stage: str | None
    share_done: float | None
    progress: str | None
    waits: str | None
    page: str


@dataclass(frozen=True)
class Reason:
    """Why a run has not begun.

    Attributes:
        words: the same as a sentence's end.
        is_sure: whether this is what holds it back. Else it may just need a few seconds.

    """

    words: str
    is_sure: bool = True


@dataclass(frozen=True)
class PoolState:
    """What decides whether a run of a work pool begins."""

    url: str
    pool: WorkPool
    has_worker: bool
    runs: tuple[FlowRun, ...]

    def why_not_begun(self, run: FlowRun) -> Reason:
        """Why a run that is to begin does not run."""
        held = self._held_back(run)
        if self.has_worker:
            return held
        missing = (
            f"no worker of the work pool {self.pool.name} is up; `assayline up` starts one, and "
            "`assayline status` names its log"
        )
        return Reason(f"{held.words}; and {missing}" if held.is_sure else missing)

    def _held_back(self, run: FlowRun) -> Reason:
        """The same where a worker is up."""
        if run.state.type == "PENDING":
            return Reason("the worker has taken it, and its process starts", is_sure=False)
        if self.pool.is_paused:
            return Reason(
                f"the work pool {self.pool.name} is paused; resume it in Prefect's UI under Work "
                "Pools"
            )
        under_way = [one for one in self.runs if one.state.type in UNDER_WAY and one.id != run.id]
        own = [one for one in under_way if one.deployment_id == run.deployment_id is not None]
        if own:
            return Reason(f"{self._waiting_for(run)} {self._named(own)}, of the same deployment")
        limit = self.pool.concurrency_limit
        if limit is not None and len(under_way) >= limit:
            return Reason(
                f"the work pool {self.pool.name} runs {limit} at once, and these run: "
                f"{self._named(under_way)}"
            )
        return Reason(f"no worker has taken it yet, Prefect says {run.state.name}", is_sure=False)

    def _waiting_for(self, run: FlowRun) -> str:
        """How many runs of the deployment wait; Prefect lets in whichever asks first."""
        waiting = [
            one
            for one in self.runs
            if one.state.type == "SCHEDULED" and one.deployment_id == run.deployment_id
        ]
        return f"one of {len(waiting)} that wait for" if len(waiting) > 1 else "waits for"

    def _named(self, runs: Sequence[FlowRun]) -> str:
        return " and ".join(
            f"the run {run.name} (since {clock(_since(run))}; {page_of(self.url, run.id)})"
            for run in runs
        )


def pool_state(api: PrefectApi, pool: str) -> PoolState:
    """What a work pool does now.

    Raises:
        StackError: the server does not answer.

    """
    return PoolState(
        url=api.url,
        pool=api.work_pool(pool) or WorkPool(name=pool),
        has_worker=any(worker.status == ONLINE for worker in api.workers(pool)),
        runs=(*api.flow_runs(pool, UNDER_WAY), *api.due_flow_runs(pool)),
    )


def open_runs(api: PrefectApi, pool: str) -> list[OpenRun]:
    """All runs of a work pool that are under way or wait to begin, the oldest first.

    Raises:
        StackError: the server does not answer.

    """
    state = pool_state(api, pool)
    # These hold no slot and keep nobody waiting.
    runs = (*state.runs, *api.flow_runs(pool, (PAUSED,)))
    if not runs:
        return []
    deployments = {found.id: name for name, found in api.deployments().items()}
    tasks = {task.flow_run_id: task for task in api.running_task_runs(runs)}
    bars = api.progress(runs)
    return [
        _as_open_run(run, state, deployments, tasks.get(run.id), bars)
        for run in sorted(runs, key=_since)
    ]


def page_of(url: str, run_id: UUID | str) -> str:
    """Where a person sees a flow run, by the address of Prefect's API."""
    return f"{url.removesuffix('/api')}/runs/flow-run/{run_id}"


def waits_for(run: FlowRun, state: PoolState) -> Reason | None:
    """Why a run stands still; None where it runs."""
    if run.state.type in {"SCHEDULED", "PENDING"}:
        return state.why_not_begun(run)
    if run.state.name == AWAITS_SLOT:
        return Reason(run.state.message or "waits for a slot")
    if run.state.type == PAUSED:
        return Reason(awaits_approval(run, state.url))
    return None


def awaits_approval(run: FlowRun, url: str) -> str:
    """What a suspended run waits for, until when, and where a person decides."""
    until = run.state.waits_until
    end = f" until {clock(datetime.fromisoformat(until))}" if until else ""
    return (
        f"awaits a person's approval{end}: `assayline approve {run.id} --reason ...` or "
        f"`assayline reject {run.id} --reason ...`, or Resume on {page_of(url, run.id)}"
    )


def _as_open_run(
    run: FlowRun,
    state: PoolState,
    deployments: dict[UUID, str],
    task: TaskRun | None,
    bars: Sequence[Progress],
) -> OpenRun:
    bar = next((bar for bar in bars if task and bar.task_run_id == task.id), None)
    reason = waits_for(run, state)
    return OpenRun(
        id=run.id,
        name=run.name,
        deployment=deployments.get(run.deployment_id) if run.deployment_id else None,
        state=run.state.name,
        since=_since(run).isoformat(timespec="seconds"),
        stage=task.name.rpartition("-")[0] if task else None,
        share_done=bar.data / 100 if bar else None,
        progress=bar.description if bar else None,
        waits=reason.words if reason else None,
        page=page_of(state.url, run.id),
    )


def _since(run: FlowRun) -> datetime:
    return run.start_time or run.created or run.state.timestamp


def clock(moment: datetime) -> str:
    """A moment as messages show it, to the minute, so that it stays the same while one waits."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
