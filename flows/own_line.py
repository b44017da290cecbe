"""A run is of one line: one of another line's deployment is refused, and each carries its tags."""

import logging

import httpx
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.runtime import deployment, flow_run

from flows.deployments import TAG
from infra.errors import SettingsError

_log = logging.getLogger(__name__)


def check_own_line(line: str, task_type: str = "") -> None:
    """Refuse a run whose parameters name another line than its deployment is of; tag any other.

    Another line has other data, another policy and another version in production. Prefect's form
    does not let the name be changed; whoever starts a run otherwise can.

    Args:
        line: that the run is asked for.
        task_type: of the line, where the flow knows it.

    Raises:
        SettingsError: the run's deployment is of another line.

    """
    tags = set(flow_run.tags or ()) if flow_run.id else set()
    if TAG in tags and line not in tags:
        name = f"{flow_run.flow_name}/{deployment.name}"
        raise SettingsError(
            f"the deployment {name} is of one line, which its tags name "
            f"({', '.join(sorted(tags))}), and this run was asked for the line {line!r}. Leave "
            f"`line` as it stands in the form, or start {flow_run.flow_name}/{line}; `assayline "
            "run CONFIG` registers a new line. Nothing was done"
        )
    _tag(tags, run_tags(line, flow_run.flow_name or "", task_type))


def run_tags(line: str, flow: str, task_type: str = "") -> tuple[str, ...]:
    """What a run is filtered by in Prefect's UI, whoever started it and however.

    A deployment's own tags are plain words, of which one may name a line and a flow alike.
    """
    tags = (f"line:{line}", f"kind:{flow}")
    return (*tags, f"task-type:{task_type}") if task_type else tags


def _tag(present: set[str], wanted: tuple[str, ...]) -> None:
    """Add tags to the run that is under way; one that cannot be tagged goes on without."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or present >= set(wanted):
        return
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(context.flow_run.id, tags=sorted({*present, *wanted}))
    except httpx.HTTPError as error:
        _log.warning("Prefect does not tag this run: %s", error)
