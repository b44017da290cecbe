"""Starts the run of a deployment, follows it, and reads what it came to."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx
import yaml
from pydantic import TypeAdapter
from rich.console import Console

from infra.errors import AssaylineError, StackError
from infra.local.deployments import PREFECT_FILE
from infra.local.prefect_setup import register_deployments
from infra.prefect_api import PrefectApi
from infra.settings import Settings, load_stack_settings

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

# The flow of each deployment that a line has, and what it is for.
LINE_FLOWS = {
    "flows/data.py:check_data": "Checks the line's data and reports on it; trains nothing.",
    "flows/data.py:readmit": "Takes repaired rows back in from quarantine.",
    "flows/retrain.py:retrain": "Retrains the line; ends in seconds if nothing changed.",
    "flows/promote.py:rollback": "Puts the version that was in production before back.",
    "flows/promote.py:promote": "A person promotes a version by name and with a reason.",
}
# What gives a deployment the settings of its line, where it takes them.
CONFIG_STEPS = {
    "flows/data.py:check_data": "flows.config.load_data",
    "flows/data.py:readmit": "flows.config.load_data",
    "flows/retrain.py:retrain": "flows.config.load_line",
}


class RunFailedError(AssaylineError):
    """A flow run ended otherwise than completed."""


Record = TypeVar("Record")


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
) -> Outcome[Record]:
    """Run a deployment through its worker and print its progress.

    Args:
        settings: of the servers.
        deployment: as `flow/name`.
        parameters: of the run, over the deployment's own.
        record: what the flow returns.
        console: where the progress goes.

    Raises:
        StackError: Prefect is not up, or has no such deployment.
        RunFailedError: the run failed, crashed or was cancelled; the message is the run's own.
    """
    if not settings.prefect_url:
        raise StackError("no Prefect server; start one (assayline up) or set PREFECT_API_URL")
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.commands.watch import Follower, is_cached
    from tasks.stages.caching import LOOK_UP_TAG

    with (
        temporary_settings({PREFECT_API_URL: settings.prefect_url}),
        get_client(sync_client=True) as client,
        _explained(settings.prefect_url),
    ):
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound as error:
            raise StackError(f"Prefect has no deployment {deployment}; `assayline up`") from error
        run = client.create_flow_run_from_deployment(found.id, parameters=dict(parameters))
        url = f"{settings.prefect_url.removesuffix('/api')}/runs/flow-run/{run.id}"
        console.print(f"{deployment}  {url}", soft_wrap=True)
        follower = Follower(client, run.id, console)
        ended = follower.follow()
        stages = [task for task in follower.task_runs() if LOOK_UP_TAG not in task.tags]
        unchanged = bool(stages) and all(is_cached(task.state) for task in stages)
        # Prefect gives a persisted record back as a mapping.
        return Outcome(TypeAdapter(record).validate_python(_result(ended)), unchanged, url)


@contextmanager
def _explained(prefect_url: str) -> Iterator[None]:
    """Turn every way in which Prefect can fail into one message."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        raise StackError(f"Prefect refuses the run: {error.response.text}") from error
    except httpx.HTTPError as error:
        raise StackError(
            f"the Prefect server at {prefect_url} does not answer; start it (assayline up) or set "
            "PREFECT_API_URL to the one that runs. A run that began goes on with its worker"
        ) from error


def _result(run: "FlowRun") -> Any:
    state = run.state
    if state is None or not state.is_completed():
        message = (state.message if state else None) or "no message"
        raise RunFailedError(_own_words(message))
    return state.result(raise_on_failure=True)


def _own_words(message: str) -> str:
    """A failed state's message without Prefect's preface and the class of the error."""
    return re.sub(r"^(Flow run encountered an exception: )?(\w+Error: )?", "", message)


def ensure_deployments(settings: Settings, line: str, config: Path) -> None:
    """Register a line that the project's prefect.yaml does not name, so that Prefect knows it.

    Args:
        settings: of the servers.
        line: its name.
        config: its YAML file.

    Raises:
        StackError: Prefect is not up or refuses the deployments.
    """
    stack = load_stack_settings()
    orchestrator = PrefectApi(settings)
    named = yaml.safe_load((stack.project / PREFECT_FILE).read_text(encoding="utf-8"))
    if line in {entry["name"] for entry in named["deployments"]}:
        return
    folder = settings.home.absolute() / "lines"
    folder.mkdir(parents=True, exist_ok=True)
    prefect_file = _write_prefect_file(folder, line, config.absolute())
    register_deployments(orchestrator, settings, stack.project, prefect_file)


def _write_prefect_file(folder: Path, line: str, config: Path) -> Path:
    deployments = []
    for entrypoint, description in LINE_FLOWS.items():
        entry: dict[str, Any] = {
            "name": line,
            "description": description,
            "entrypoint": entrypoint,
            "work_pool": {"name": "assayline"},
            "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
            "parameters": {"line": line},
        }
        if step_name := CONFIG_STEPS.get(entrypoint):
            step = {step_name: {"id": "line", "path": str(config)}}
            entry |= {"build": [step], "parameters": {"config": "{{ line.config }}"}}
        deployments.append(entry)
    pull = {
        "prefect.deployments.steps.set_working_directory": {"directory": "{{ $ASSAYLINE_PROJECT }}"}
    }
    content = {"name": "assayline", "pull": [pull], "deployments": deployments}
    path = folder / f"{line}.prefect.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path
