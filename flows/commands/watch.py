"""Follows a flow run in the terminal, stage by stage, and closes with what it came to."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    LogFilter,
    LogFilterFlowRunId,
    LogFilterTimestamp,
)
from prefect.client.schemas.objects import FlowRun, Log, State, StateType, TaskRun
from prefect.client.schemas.sorting import LogSort, TaskRunSort
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from rich.console import Console

from infra.errors import StackError
from infra.local.parts import WORK_POOL
from infra.prefect_api import AWAITS_SLOT, PrefectApi, is_away
from infra.run_queue import Reason, pool_state, waits_for
from tasks.stages.slot_queue import WAITS

POLL_S = 0.5
# Task states reach the server as events, somewhat after the flow's own state.
SETTLE_S = 3.0
# A run's process sends its last log lines as it ends, after its last state.
LOG_DELAY_S = 1.0
PROGRESS_EVERY_S = 10.0
# A trial of a sweep is a run inside of the run, and may wait for a slot itself.
LOOK_INSIDE_EVERY_S = 5.0
# A worker takes a run within seconds; after this long one wants to know why it does not.
BEGINS_WITHIN_S = 30.0
LOOK_WHY_EVERY_S = 5.0
REMIND_EVERY_S = 60.0
# supervisord starts a killed server again in seconds; a machine takes minutes.
AWAY_FOR_S = 600.0
TELL_AWAY_AFTER_S = 5.0
OUR_LOGGERS = ("tasks", "infra", "flows")


@dataclass
class Follower:
    """Prints what is new of a flow run since the last look."""

    client: SyncPrefectClient
    api: PrefectApi
    flow_run_id: UUID
    console: Console
    _printed: set[UUID] = field(default_factory=set)
    _logs_since: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(seconds=5))
    _seen_logs: set[UUID] = field(default_factory=set)
    _began: float = field(default_factory=time.monotonic)
    _look_why_at: float = 0.0
    _waits: str = ""
    _remind_at: float = 0.0
    _answered_at: float = field(default_factory=time.monotonic)
    _told_away: bool = False
    _progress_due: float = 0.0
    _progress: dict[UUID | None, str] = field(default_factory=dict)
    _inside: frozenset[UUID] = frozenset()
    _look_inside_at: float = 0.0

    def follow(self) -> FlowRun:
        """Print until the run has ended or is suspended, and return it as it is then.

        A server that is away is waited for: the run goes on without it for a while.

        Raises:
            httpx.HTTPError: it refuses something, or is away for longer than `AWAY_FOR_S`.

        """
        # What is asked here is asked again anyway; Prefect's client would be silent for a minute.
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            while (run := self._look()) is None:
                time.sleep(POLL_S)
        return run

    def _look(self) -> FlowRun | None:
        """Print what is new; the run, once it goes on no more and all of it is printed."""
        try:
            run = self.client.read_flow_run(self.flow_run_id)
            self._print_news()
            if run.state is not None and (run.state.is_final() or run.state.is_paused()):
                self._settle()
                self._server_is_back()
                return run
            self._tell_if_it_waits(run)
        except httpx.HTTPError as error:
            self._server_is_away(error)
        else:
            self._server_is_back()
        return None

    def _settle(self) -> None:
        """Print what reaches the server after the run's last state."""
        deadline = time.monotonic() + SETTLE_S
        time.sleep(LOG_DELAY_S)
        while self._print_news() and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _server_is_away(self, error: httpx.HTTPError) -> None:
        """Say that the server is away; raise what is no matter of waiting."""
        # Counted from its last answer: of a server that hangs, one question takes a minute.
        away_s = time.monotonic() - self._answered_at
        if not is_away(error) or away_s > AWAY_FOR_S:
            raise error
        if not self._told_away and away_s >= TELL_AWAY_AFTER_S:
            self._told_away = True
            self._say(
                "Prefect's server does not answer; the run goes on with its worker, and is shown "
                "again when the server is back (`assayline up` starts it)"
            )

    def _server_is_back(self) -> None:
        if self._told_away:
            self._say("Prefect's server answers again")
        self._answered_at, self._told_away = time.monotonic(), False

    def was_cancelled(self, run: FlowRun) -> bool:
        """Whether somebody cancelled a run that ended.

        Its process reports that a signal ended it (Crashed), before its worker says Cancelled.
        """
        if run.state is not None and run.state.is_crashed():
            states = self.client.read_flow_run_states(run.id)
            return any(state.is_cancelling() for state in states)
        return run.state is not None and run.state.is_cancelled()

    def task_runs(self) -> list[TaskRun]:
        """The run's stages, in the order in which they began."""
        return self.client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[self.flow_run_id])),
            sort=TaskRunSort.EXPECTED_START_TIME_ASC,
        )

    def _tell_if_it_waits(self, run: FlowRun) -> None:
        """Say what a run waits for, at once when that changes, and from time to time."""
        state = run.state
        stands = state is None or state.is_scheduled() or state.is_pending()
        now = time.monotonic()
        if not stands and state is not None and state.name != AWAITS_SLOT:
            self._waits = ""
        elif now >= self._look_why_at:
            self._look_why_at = now + LOOK_WHY_EVERY_S
            reason = self._why(run)
            waited_s = now - self._began
            if reason and (reason.is_sure or waited_s >= BEGINS_WITHIN_S):
                told = f"the run has not begun for {waited_s:.0f} s: " if stands else ""
                self._tell_wait(told, reason.words)

    def _why(self, run: FlowRun) -> Reason | None:
        """What the run waits for; None where it waits no more."""
        try:
            now = self.api.flow_run(run.id)
            if now is None:
                return None
            return waits_for(now, pool_state(self.api, run.work_pool_name or WORK_POOL))
        except StackError as error:
            return Reason(str(error), is_sure=False)

    def _tell_wait(self, before: str, words: str) -> None:
        if words != self._waits or time.monotonic() >= self._remind_at:
            self._waits = words
            self._remind_at = time.monotonic() + REMIND_EVERY_S
            self._say(f"{before}{words}")

    def _print_news(self) -> bool:
        """Print what is new of logs, progress and stages; whether a stage is still open."""
        for message in self._new_logs():
            if message.startswith(WAITS):  # the run's state says the same, sooner or later
                self._tell_wait("", message)
            else:
                self._say(message)
        if time.monotonic() >= self._progress_due:
            self._progress_due = time.monotonic() + PROGRESS_EVERY_S
            self._print_progress()
        open_stages = False
        for task_run in self.task_runs():
            state = task_run.state
            if state is None or not state.is_final():
                open_stages = True
            elif task_run.id not in self._printed:
                self._printed.add(task_run.id)
                self.console.print(_stage_line(task_run, state), highlight=False)
        return open_stages

    def _print_progress(self) -> None:
        """Print how far each stage that shows a progress bar in the UI has come, if it is news.

        A run may train several models, each with a bar of its own that stays.
        """
        bars = self.client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[self.flow_run_id]),
                type=ArtifactFilterType(any_=["progress"]),
            )
        )
        for bar in bars:
            shown = f"{bar.data:3.0f}%  {bar.description or ''}"
            if shown != self._progress.get(bar.id):
                self._progress[bar.id] = shown
                self._say(shown)

    def _say(self, text: str) -> None:
        self.console.print(
            f"    {text}", style="dim", markup=False, highlight=False, soft_wrap=True
        )

    def _runs_inside(self) -> frozenset[UUID]:
        """The runs that go on inside of the run, as a trial does inside of its sweep."""
        now = time.monotonic()
        if now >= self._look_inside_at:
            self._look_inside_at = now + LOOK_INSIDE_EVERY_S
            going_on = FlowRunFilterStateType(any_=[StateType.RUNNING])
            parent = FlowRunFilterParentFlowRunId(any_=[self.flow_run_id])
            found = self.client.read_flow_runs(
                flow_run_filter=FlowRunFilter(
                    parent_flow_run_id=parent, state=FlowRunFilterState(type=going_on)
                )
            )
            self._inside = frozenset(run.id for run in found)
        return self._inside

    def _new_logs(self) -> Iterator[str]:
        runs = [self.flow_run_id, *self._runs_inside()]
        logs = self.client.read_logs(
            log_filter=LogFilter(
                flow_run_id=LogFilterFlowRunId(any_=runs),
                timestamp=LogFilterTimestamp(after_=self._logs_since),
            ),
            sort=LogSort.TIMESTAMP_ASC,
        )
        for log in logs:
            if log.id in self._seen_logs:
                continue
            self._seen_logs.add(log.id)
            # A batch of logs can arrive late, so look back a little each time.
            self._logs_since = max(self._logs_since, log.timestamp - timedelta(seconds=5))
            if _is_shown(log, inside=log.flow_run_id != self.flow_run_id):
                yield log.message


def _is_shown(log: Log, *, inside: bool) -> bool:
    """Whether a line of the log is printed; of a run inside of the run only what it waits for.

    Errors are left out: the run's last state says the same without the traceback.
    """
    if inside:
        return log.message.startswith(WAITS)
    return log.name.startswith(OUR_LOGGERS) or log.level == logging.WARNING


def is_cached(state: State | None) -> bool:
    """Whether a stage was skipped because nothing that it depends on has changed."""
    return state is not None and state.is_completed() and state.name == "Cached"


def _stage_line(task_run: TaskRun, state: State) -> str:
    name = task_run.name.rsplit("-", 1)[0]
    if is_cached(state):
        return f"  [cyan]=[/] {name:<22} unchanged"
    seconds = task_run.total_run_time.total_seconds()
    if state.is_completed():
        return f"  [green]✓[/] {name:<22} {seconds:.1f} s"
    return f"  [red]✗[/] {name:<22} {state.name}"
