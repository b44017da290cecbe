"""Which deployments a line has: one of each flow that prefect.yaml defines.

``python -m flows.deployments`` adds to prefect.yaml those that a new flow or line there lacks.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from infra.errors import AssaylineError, StackError
from infra.local.deployments import PREFECT_FILE, Registration, read_prefect_file, record_of
from infra.local.prefect_setup import register_deployments
from infra.prefect_api import Deployment, PrefectApi
from infra.settings import Settings, load_stack_settings
from infra.yaml_files import parse_yaml

TAG = "assayline"
LINE_FILE_ENDING = ".prefect.yaml"
# Of a flow run that has not ended. Scheduled is also one that waits for its turn.
GOING_ON = ("RUNNING", "PENDING", "PAUSED", "CANCELLING", "SCHEDULED")

Entry = Mapping[str, Any]


class Removed(NamedTuple):
    """What `remove_line` has removed, and where the line's settings are.

    Attributes:
        deployments: as `flow/name`.
        files: of the home folder.
        config: the settings file of a line of the user's own, if it was registered here.
        named_in: the prefect.yaml that names the line still; None for a line of the user's own.
    """

    deployments: tuple[str, ...]
    files: tuple[str, ...]
    config: str | None
    named_in: str | None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was there to be removed."""
        return not self.deployments and not self.files


class Definitions(NamedTuple):
    """Fields of deployments that prefect.yaml defines: those of each flow, and of each line."""

    flows: Sequence[Entry]
    lines: Sequence[Entry]


def definitions_of(content: Entry) -> Definitions:
    """The flows and lines that a prefect.yaml defines.

    Raises:
        StackError: it defines none.
    """
    match content:
        case {"definitions": {"flows": [*flows], "lines": [*lines]}}:
            return Definitions(flows, lines)
        case _:
            raise StackError(
                f"{PREFECT_FILE} lists no `flows` and `lines` under `definitions`; see that of "
                "this project"
            )


def flow_name(entry: Entry) -> str:
    """The flow's name, as Prefect takes it from the name of its function."""
    function: str = entry["entrypoint"].rpartition(":")[2]
    return function.replace("_", "-")


def tags_of(line: str, flow: str) -> tuple[str, ...]:
    """What a deployment is found by in the UI.

    They stand in each deployment, since Prefect drops a placeholder ({{ line.name }}) from a list.
    """
    return (TAG, line, flow)


def add_deployments(text: str) -> str:
    """Add the deployments that a prefect.yaml defines and lacks; what is there stays as it is.

    Args:
        text: of the file, whose last section is `deployments`.

    Raises:
        StackError: it defines no flows and lines, or ends with another section.
    """
    try:
        missing = missing_deployments(parse_yaml(text))
    except yaml.YAMLError as error:
        raise StackError(f"{PREFECT_FILE} cannot be read: {error}") from error
    added = [
        f"  - {{<<: [*{line}, *{flow}], tags: [{', '.join(tags_of(line, flow))}]}}\n"
        for line, flow in missing
    ]
    whole = text.rstrip("\n") + "\n" + "".join(added)
    try:
        is_whole = not missing_deployments(parse_yaml(whole))
    except yaml.YAMLError:
        is_whole = False
    if not is_whole:
        raise StackError(
            f"{PREFECT_FILE} must end with the section `deployments`, and name each anchor as its "
            "line or flow is named (&check-data for the function check_data)"
        )
    return whole


def missing_deployments(content: Entry) -> list[tuple[str, str]]:
    """Line and flow, by name, of each deployment that a prefect.yaml defines and does not list."""
    flows, lines = definitions_of(content)
    listed = {(entry["name"], entry["entrypoint"]) for entry in content.get("deployments") or ()}
    return [
        (line["name"], flow_name(flow))
        for line, flow in product(lines, flows)
        if (line["name"], flow["entrypoint"]) not in listed
    ]


def check_lines(prefect_file: Path) -> None:
    """See that no deployment of one line takes the settings of another.

    Whether a settings file is of the line that its build step names, the step sees (`load_line`).

    Raises:
        StackError: one does, or the file cannot be read.
    """
    for entry in read_prefect_file(prefect_file).get("deployments") or ():
        match entry:
            case {"name": name, "build": [{"flows.config.load_line": {"line": line}}]}:
                if line != name:
                    raise StackError(
                        f"{prefect_file} gives the line {name} the settings of {line}; correct "
                        "the name, or `line` and `path` of its build step"
                    )


def line_file(content: Entry, line: str, config: Path) -> dict[str, Any]:
    """The prefect.yaml of one line: the project's, with this line in place of those that it has.

    Args:
        content: the project's prefect.yaml.
        line: its name.
        config: its YAML file.

    Raises:
        StackError: the project's file defines no flows.
    """
    step = {"flows.config.load_line": {"id": "line", "line": line, "path": str(config)}}
    deployments = [
        {**flow, "name": line, "tags": list(tags_of(line, flow_name(flow))), "build": [step]}
        for flow in definitions_of(content).flows
    ]
    kept = {key: value for key, value in content.items() if key != "definitions"}
    return {**kept, "deployments": deployments}


def ensure_deployments(settings: Settings, line: str, config: Path) -> Registration | None:
    """Register a line that the project's prefect.yaml does not name, so that Prefect knows it.

    Args:
        settings: of the servers.
        line: its name.
        config: its YAML file.

    Returns:
        What was registered; None for a line that prefect.yaml names.

    Raises:
        StackError: Prefect is not up or refuses the deployments.
    """
    project = load_stack_settings().project
    prefect_api = PrefectApi(settings)
    content = read_prefect_file(project / PREFECT_FILE)
    if line in {entry["name"] for entry in content.get("deployments") or ()}:
        return None
    path = _folder(settings) / f"{line}{LINE_FILE_ENDING}"
    path.parent.mkdir(parents=True, exist_ok=True)
    own = line_file(content, line, config.absolute())
    path.write_text(yaml.safe_dump(own, sort_keys=False), encoding="utf-8")
    return register_deployments(prefect_api, settings, project, path)


def remove_line(settings: Settings, line: str) -> Removed:
    """Remove the deployments of a line with their schedules, and what is kept here to renew them.

    Args:
        settings: of the servers.
        line: its name.

    Raises:
        StackError: a run of the line is going on or waits, or Prefect is not up.
    """
    prefect_file = load_stack_settings().project / PREFECT_FILE
    content = read_prefect_file(prefect_file)
    entrypoints = {flow["entrypoint"] for flow in definitions_of(content).flows}
    prefect_api = PrefectApi(settings)
    standing = {
        name: deployment
        for name, deployment in sorted(prefect_api.deployments().items())
        if deployment.name == line and deployment.entrypoint in entrypoints
    }
    _refuse_while_it_runs(prefect_api, line, standing.values())
    own = _folder(settings) / f"{line}{LINE_FILE_ENDING}"
    config = str(_config_in(own)) if own.is_file() else None
    for deployment in standing.values():
        prefect_api.delete_deployment(deployment)
    files = [path for path in (own, record_of(own, settings.home.absolute())) if path.is_file()]
    for path in files:
        path.unlink()
    is_named = line in {entry["name"] for entry in content.get("deployments") or ()}
    return Removed(
        tuple(standing), tuple(map(str, files)), config, str(prefect_file) if is_named else None
    )


def _refuse_while_it_runs(
    prefect_api: PrefectApi, line: str, deployments: Iterable[Deployment]
) -> None:
    """With a deployment Prefect removes the runs that wait; one that runs would go on unseen."""
    under_way = [
        run
        for run in prefect_api.runs_of(deployments, GOING_ON)
        if run.state.type != "SCHEDULED" or not run.auto_scheduled
    ]
    if under_way:
        named = ", ".join(f"{run.name} ({run.state.type.lower()})" for run in under_way)
        raise StackError(
            f"{line} is not forgotten while a run of it is going on or waits: {named}; wait for "
            "its end, or cancel it"
        )


def renew_own_lines(
    settings: Settings, on_error: Callable[[AssaylineError], None]
) -> tuple[str, ...]:
    """Register anew, where something changed, the lines that `ensure_deployments` registered.

    A line whose settings file is gone keeps the deployments that it has.

    Args:
        settings: of the servers.
        on_error: told of each line that could not be renewed.

    Returns:
        The deployments of these lines as `flow/name`.
    """
    names: list[str] = []
    for path in sorted(_folder(settings).glob(f"*{LINE_FILE_ENDING}")):
        line = path.name.removesuffix(LINE_FILE_ENDING)
        try:
            config = _config_in(path)
            done = ensure_deployments(settings, line, config) if config.is_file() else None
        except AssaylineError as error:
            on_error(StackError(f"the deployments of {line} stay as they were: {error}"))
        else:
            names += done.names if done else ()
    return tuple(names)


def _config_in(path: Path) -> Path:
    """The settings file that a line was registered with."""
    for entry in read_prefect_file(path).get("deployments") or ():
        match entry:
            case {"build": [{"flows.config.load_line": {"path": str(config)}}]}:
                return Path(config)
    raise StackError(f"{path} names no settings file; `assayline run CONFIG` writes it anew")


def _folder(settings: Settings) -> Path:
    return settings.home.absolute() / "lines"


def main() -> None:
    """Add to the project's prefect.yaml what it lacks, and say what that was."""
    try:
        path = load_stack_settings().project / PREFECT_FILE
        check_lines(path)
        missing = missing_deployments(read_prefect_file(path))
        path.write_text(add_deployments(path.read_text(encoding="utf-8")), encoding="utf-8")
    except AssaylineError as error:
        sys.exit(f"error: {error}")
    added = ", ".join(f"{flow}/{line}" for line, flow in missing)
    sys.stdout.write(f"{path}: {f'added {added}' if added else 'nothing to add'}\n")


if __name__ == "__main__":
    main()
