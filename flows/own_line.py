"""A deployment is of one line: a run of it for another one is refused before it begins."""

from prefect.runtime import deployment, flow_run

from flows.deployments import TAG
from infra.errors import SettingsError


def check_own_line(line: str) -> None:
    """Refuse a run whose parameters name another line than its deployment is of.

    Another line has other data, another policy and another version in production. Prefect's form
    does not let the name be changed; whoever starts a run otherwise can.

    Args:
        line: that the run is asked for.

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
