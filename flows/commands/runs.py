"""Starts the run of a deployment, follows it, and reads what it came to."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from uuid import UUID

import httpx
from pydantic import TypeAdapter
from rich.console import Console

from infra.errors import AssaylineError, IntegrityError, StackError, StoreError
from infra.prefect_api import FINAL_STATES, PrefectApi, no_login
from infra.run_queue import awaits_approval, page_of
from infra.settings import Settings

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

    from flows.commands.watch import Follower


class RunFailedError(AssaylineError):
    """A flow run ended otherwise than completed."""


class RunCrashedError(RunFailedError):
    """A flow run's process ended without a word."""


class RunCancelledError(RunFailedError):
    """A flow run was cancelled."""


class RunAwaitsApprovalError(RunFailedError):
    """A flow run is suspended until a person has decided."""


Record = TypeVar("Record")
Other = TypeVar("Other")
# Prefect's own setting, for the process of one run.
REFRESH_VARIABLE: Final = "PREFECT_TASKS_REFRESH_CACHE"
# How long after the first Ctrl-C a second one cancels the run.
CANCEL_WITHIN_S: Final = 5.0
# At the end of such a run MLflow is asked, whose import takes a second or two: it is done
# while the run is waited for.
SHOWS_REGISTRY: Final = "retrain/"


@dataclass(frozen=True)
class Outcome(Generic[Record]):
    """What a flow run came to.

    Attributes:
        result: what the flow returned.
        unchanged: every stage was found in the cache.
        url: the run's page in the Prefect UI.
    """

    result: Record
    unchanged: bool
    url: str

    def read_as(self, record: type[Other]) -> "Outcome[Other]":
        """The same with the result as a record, which Prefect gives back as a mapping."""
        return Outcome(TypeAdapter(record).validate_python(self.result), self.unchanged, self.url)


def run_deployment(
    settings: Settings,
    deployment: str,
    parameters: Mapping[str, Any],
    record: type[Record],
    console: Console,
    *,
    refresh: bool = False,
    confirm: Callable[[UUID], None] | None = None,
) -> Outcome[Record]:
    """Run a deployment through its worker and print its progress.

    The first Ctrl-C leaves the run alone and says how to see or cancel it; a second one within
    `CANCEL_WITHIN_S` seconds cancels it.

    Args:
        settings: of the servers.
        deployment: as `flow/name`.
        parameters: of the run, over the deployment's own.
        record: what the flow returns.
        console: where the progress goes.
        refresh: run every stage, whatever earlier runs kept.
        confirm: called with the id of the run that was started, for what a person decides.

    Raises:
        StackError: Prefect is not up, or has no such deployment.
        RunFailedError: the run failed; the message is the run's own.
        RunCrashedError: its process ended without a word.
        RunCancelledError: it was cancelled.
        RunAwaitsApprovalError: it is suspended until a person has decided.
        IntegrityError: its result is not what it kept.
        KeyboardInterrupt: there was one Ctrl-C; the run goes on.
    """
    api = PrefectApi(settings)
    found = api.deployment(deployment)
    if found is None:
        raise StackError(f"Prefect has no deployment {deployment}; `assayline up`")
    variables = {REFRESH_VARIABLE: "true"} if refresh else None
    run_id = api.start_run(found, parameters, variables)
    if confirm:
        confirm(run_id)
    # Prefect is imported now, while the worker starts the run's process.
    return watch_run(settings, run_id, deployment, console).read_as(record)


def watch_run(settings: Settings, run_id: UUID, name: str, console: Console) -> Outcome[Any]:
    """Follow a run that somebody started, to its end; one that has ended is shown at once.

    Args:
        settings: of the servers.
        run_id: of the flow run.
        name: what it is called in the first line.
        console: where the progress goes.

    Raises:
        Exception: what `run_deployment` raises.
    """
    with _prefect_client(settings) as client:
        return _follow(settings, client, run_id, name, console)


@contextmanager
def _prefect_client(settings: Settings) -> Iterator["SyncPrefectClient"]:
    """Prefect's client for these servers, whose errors are one message."""
    if not settings.prefect_url:
        raise StackError("no Prefect server; start one (assayline up) or set PREFECT_API_URL")
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    login = settings.prefect_login.get_secret_value() if settings.prefect_login else None
    with (
        temporary_settings({PREFECT_API_URL: settings.prefect_url, PREFECT_API_AUTH_STRING: login}),
        get_client(sync_client=True) as client,
        _explained(settings.prefect_url),
    ):
        yield client


def _follow(
    settings: Settings, client: "SyncPrefectClient", run_id: UUID, name: str, console: Console
) -> Outcome[Any]:
    from flows.commands.watch import Follower, is_cached
    from tasks.stages.caching import LOOK_UP_VERSION

    if name.startswith(SHOWS_REGISTRY):
        Thread(target=import_module, args=("mlflow",), daemon=True).start()
    api = PrefectApi(settings)
    url = page_of(api.url, run_id)
    console.print(f"{name}  {url}", soft_wrap=True)
    follower = Follower(client, api, run_id, console)
    ended = _follow_until_interrupted(follower, console)
    if ended.state is not None and ended.state.is_paused():
        waiting = api.flow_run(run_id)
        raise RunAwaitsApprovalError(
            f"the run {ended.name} {awaits_approval(waiting, api.url)}" if waiting else url
        )
    if follower.was_cancelled(ended):
        raise RunCancelledError(told_of_cancelled(ended.name, url))
    stages = [task for task in follower.task_runs() if task.task_version != LOOK_UP_VERSION]
    unchanged = bool(stages) and all(is_cached(task.state) for task in stages)
    return Outcome(_result(ended, settings, url), unchanged, url)


def _follow_until_interrupted(follower: "Follower", console: Console) -> "FlowRun":
    """Follow a run to its end, or up to the first Ctrl-C; the second one cancels it.

    Raises:
        KeyboardInterrupt: there was no second one in time; or a third, while it was being
            cancelled.
    """
    try:
        return follower.follow()
    except KeyboardInterrupt:
        _say(console, told_at_interrupt(follower.flow_run_id))
        if not _interrupted_within(CANCEL_WITHIN_S):
            raise
    cancel_run(follower.api, follower.flow_run_id)
    _say(console, "Prefect is asked to cancel the run; a training keeps a checkpoint first")
    return follower.follow()


def cancel_run(api: PrefectApi, run_id: UUID) -> None:
    """Ask for the end of a run; nothing happens to one that has ended.

    Raises:
        StackError: the server does not answer or refuses; the run goes on.
    """
    try:
        run = api.flow_run(run_id)
        if run is not None and run.state.type not in FINAL_STATES:
            api.cancel_flow_run(run_id)
    except StackError as error:
        raise StackError(
            f"{error}. The run was not cancelled: `assayline cancel {run_id}` does it later"
        ) from error


def told_at_interrupt(run_id: UUID) -> str:
    """What the first Ctrl-C says."""
    return (
        f"\nthe run goes on with its worker\n"
        f"  see it again  assayline watch {run_id}\n"
        f"  cancel it     press Ctrl-C again within {CANCEL_WITHIN_S:.0f} s, or "
        f"assayline cancel {run_id}"
    )


def _interrupted_within(seconds: float) -> bool:
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        return True
    return False


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _explained(prefect_url: str) -> Iterator[None]:
    """Turn every way in which Prefect can fail into one message."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.UNAUTHORIZED:
            raise StackError(no_login(prefect_url)) from error
        raise StackError(f"Prefect refuses the run: {error.response.text}") from error
    except httpx.HTTPError as error:
        raise StackError(
            f"the Prefect server at {prefect_url} does not answer; start it (assayline up) or set "
            "PREFECT_API_URL to the one that runs. A run that began goes on with its worker, and "
            "`assayline watch` shows it again"
        ) from error


def _result(run: "FlowRun", settings: Settings, url: str) -> Any:
    """What a flow returned, which is taken from no other place than the results of these settings.

    Raises:
        RunFailedError: the run did not complete.
        IntegrityError: what is kept is not what the flow returned.
        StoreError: it is not there, or the store is unreachable.
    """
    from prefect.results import ResultRecordMetadata  # type: ignore[attr-defined]

    from infra.signed_results import KeptResults

    state = run.state
    if state is None or not state.is_completed():
        message = (state.message if state else None) or "no message"
        if state is not None and state.is_crashed():
            raise RunCrashedError(told_of_crashed(run.name, message, url))
        raise RunFailedError(_own_words(message))
    if not isinstance(state.data, ResultRecordMetadata) or not state.data.storage_key:
        raise RunFailedError(f"the run {run.name} completed and kept no result")
    try:
        kept = KeptResults(settings).read(state.data.storage_key)
    except (IntegrityError, StoreError) as error:
        raise type(error)(told_of_unread_result(run.name, str(error), url)) from error
    return state.data.serializer.loads(kept)


def told_of_unread_result(name: str, reason: str, url: str) -> str:
    """What is said of a run that has done its work, where its result cannot be trusted here."""
    return (
        f"the run {name} completed, and what it did stands (its page tells: {url}), but its result "
        f"cannot be shown: {reason}"
    )


def told_of_cancelled(name: str, url: str) -> str:
    """What is said of a run that was cancelled."""
    return (
        f"the run {name} was cancelled, and production stays as it was. The same command begins "
        f"again: finished stages are kept, and a training goes on from its checkpoint ({url})"
    )


def told_of_crashed(name: str, message: str, url: str) -> str:
    """What is said of a run whose process ended without a word.

    Args:
        name: the run's.
        message: that of its state.
        url: the run's page.

    """
    killed = re.search(r"status code:? -9\b", message)
    why = " (killed, which the system does to a process when memory runs out)" if killed else ""
    return (
        f"the run {name} crashed: {message.rstrip('.')}{why}. The same command begins again: "
        "finished stages are kept, and a training goes on from its checkpoint. What its process "
        f"wrote last stands in the worker's log, which `assayline status` names ({url})"
    )


def _own_words(message: str) -> str:
    """A failed state's message without Prefect's preface and the class of the error."""
    return re.sub(r"^(Flow run encountered an exception: )?(\w+Error: )?", "", message)
