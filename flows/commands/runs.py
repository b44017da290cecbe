"""Starts the run of a deployment, follows it, and reads what it came to."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import httpx
from pydantic import TypeAdapter
from rich.console import Console

from infra.errors import AssaylineError, StackError
from infra.prefect_api import no_login
from infra.settings import Settings

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


class RunFailedError(AssaylineError):
    """A flow run ended otherwise than completed."""


Record = TypeVar("Record")
# Prefect's own setting, for the process of one run.
REFRESH_VARIABLE: Final = "PREFECT_TASKS_REFRESH_CACHE"


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


def run_deployment(
    settings: Settings,
    deployment: str,
    parameters: Mapping[str, Any],
    record: type[Record],
    console: Console,
    *,
    refresh: bool = False,
) -> Outcome[Record]:
    """Run a deployment through its worker and print its progress.

    Args:
        settings: of the servers.
        deployment: as `flow/name`.
        parameters: of the run, over the deployment's own.
        record: what the flow returns.
        console: where the progress goes.
        refresh: run every stage, whatever earlier runs kept.

    Raises:
        StackError: Prefect is not up, or has no such deployment.
        RunFailedError: the run failed, crashed or was cancelled; the message is the run's own.
        IntegrityError: its result is not what it kept.
    """
    if not settings.prefect_url:
        raise StackError("no Prefect server; start one (assayline up) or set PREFECT_API_URL")
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    from flows.commands.watch import Follower, is_cached
    from tasks.stages.caching import LOOK_UP_TAG

    login = settings.prefect_login.get_secret_value() if settings.prefect_login else None
    with (
        temporary_settings({PREFECT_API_URL: settings.prefect_url, PREFECT_API_AUTH_STRING: login}),
        get_client(sync_client=True) as client,
        _explained(settings.prefect_url),
    ):
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound as error:
            raise StackError(f"Prefect has no deployment {deployment}; `assayline up`") from error
        variables = {"env": {REFRESH_VARIABLE: "true"}} if refresh else None
        run = client.create_flow_run_from_deployment(
            found.id, parameters=dict(parameters), job_variables=variables
        )
        url = f"{settings.prefect_url.removesuffix('/api')}/runs/flow-run/{run.id}"
        console.print(f"{deployment}  {url}", soft_wrap=True)
        follower = Follower(client, run.id, console)
        ended = follower.follow()
        stages = [task for task in follower.task_runs() if LOOK_UP_TAG not in task.tags]
        unchanged = bool(stages) and all(is_cached(task.state) for task in stages)
        # Prefect gives a persisted record back as a mapping.
        result = _result(ended, settings)
        return Outcome(TypeAdapter(record).validate_python(result), unchanged, url)


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
            "PREFECT_API_URL to the one that runs. A run that began goes on with its worker"
        ) from error


def _result(run: "FlowRun", settings: Settings) -> Any:
    """What a flow returned, which is taken from no other place than the results of these settings.

    Raises:
        RunFailedError: the run did not complete.
        IntegrityError: what is kept is not what the flow returned.
    """
    from prefect.results import ResultRecordMetadata  # type: ignore[attr-defined]

    from infra.signed_results import KeptResults

    state = run.state
    if state is None or not state.is_completed():
        message = (state.message if state else None) or "no message"
        raise RunFailedError(_own_words(message))
    if not isinstance(state.data, ResultRecordMetadata) or not state.data.storage_key:
        raise RunFailedError(f"the run {run.name} completed and kept no result")
    return state.data.serializer.loads(KeptResults(settings).read(state.data.storage_key))


def _own_words(message: str) -> str:
    """A failed state's message without Prefect's preface and the class of the error."""
    return re.sub(r"^(Flow run encountered an exception: )?(\w+Error: )?", "", message)
