"""Follows a flow run in the terminal, stage by stage, and closes with what it came to."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
    LogFilterTimestamp,
)
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.client.schemas.sorting import LogSort, TaskRunSort
from rich.console import Console

POLL_S = 0.5
# Task states reach the server as events, somewhat after the flow's own state.
SETTLE_S = 3.0
# A run's process sends its last log lines as it ends, after its last state.
LOG_DELAY_S = 1.0
PROGRESS_EVERY_S = 10.0
# A worker takes a run within seconds; after this long one wants to know why it does not.
BEGINS_WITHIN_S = 30.0
OUR_LOGGERS = ("tasks", "infra", "flows")


@dataclass
class Follower:
    """Prints what is new of a flow run since the last look."""

    client: SyncPrefectClient
    flow_run_id: UUID
    console: Console
    _printed: set[UUID] = field(default_factory=set)
    _logs_since: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(seconds=5))
    _seen_logs: set[UUID] = field(default_factory=set)
    _began: float = field(default_factory=time.monotonic)
    _told_that_it_waits: bool = False
    _progress_due: float = 0.0
    _progress: str = ""

    def follow(self) -> FlowRun:
        """Print until the run has ended, and return it as it ended."""
        while True:
            run = self.client.read_flow_run(self.flow_run_id)
            self._print_news()
            if run.state is not None and run.state.is_final():
                break
            self._tell_if_it_waits(run)
            time.sleep(POLL_S)
        deadline = time.monotonic() + SETTLE_S
        time.sleep(LOG_DELAY_S)
        while self._print_news() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return run

    def task_runs(self) -> list[TaskRun]:
        """The run's stages, in the order in which they began."""
        return self.client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[self.flow_run_id])),
            sort=TaskRunSort.EXPECTED_START_TIME_ASC,
        )

    def _tell_if_it_waits(self, run: FlowRun) -> None:
        """Say once that a run has not begun, and where to look."""
        begins = run.state is not None and not (run.state.is_scheduled() or run.state.is_pending())
        waited_s = time.monotonic() - self._began
        if begins or self._told_that_it_waits or waited_s < BEGINS_WITHIN_S:
            return
        self._told_that_it_waits = True
        state = run.state.name if run.state else "without a state"
        self._say(
            f"the run has not begun for {waited_s:.0f} s (Prefect says: {state}). Another run of "
            "the line may hold it back; or its worker is not up, or Prefect's server cannot write: "
            "see `assayline status` and the logs that it names"
        )

    def _print_news(self) -> bool:
        """Print what is new of logs, progress and stages; whether a stage is still open."""
        for message in self._new_logs():
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
        """Print how far the stage that shows a progress bar in the UI has come."""
        bars = self.client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[self.flow_run_id]),
                type=ArtifactFilterType(any_=["progress"]),
            )
        )
        for bar in bars:
            shown = f"{bar.data:3.0f}%  {bar.description or ''}"
            if shown != self._progress:
                self._progress = shown
                self._say(shown)

    def _say(self, text: str) -> None:
        self.console.print(
            f"    {text}", style="dim", markup=False, highlight=False, soft_wrap=True
        )

    def _new_logs(self) -> Iterator[str]:
        logs = self.client.read_logs(
            log_filter=LogFilter(
                flow_run_id=LogFilterFlowRunId(any_=[self.flow_run_id]),
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
            # Errors are left out: the run's last state says the same without the traceback.
            if log.name.startswith(OUR_LOGGERS) or log.level == logging.WARNING:
                yield log.message


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
