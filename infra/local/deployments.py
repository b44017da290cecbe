"""Registers what ``prefect.yaml`` names, and only when it is not registered as it stands."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from infra.errors import StackError
from infra.local.line_forms import with_fixed_line
from infra.local.private_files import make_folder, write_private
from infra.prefect_api import PrefectApi
from infra.yaml_files import parse_yaml

PREFECT_FILE = "prefect.yaml"
# What shapes a deployment beside its own text: the flows, and the settings of their parameters.
SOURCE_FOLDERS = ("flows", "tasks", "infra")
TIMEOUT_S = 300.0
LOG_FILE = "deploy.log"
# Of a build step that fails Prefect says last which one it was; why, our own error says before.
OWN_ERRORS = "infra.errors."


@dataclass(frozen=True)
class Registration:
    """What `register` did: the deployments as `flow/name`, and whether they were written anew."""

    names: tuple[str, ...]
    renewed: bool


def register(
    prefect_file: Path,
    project: Path,
    prefect_api: PrefectApi,
    environment: Mapping[str, str],
    home: Path,
) -> Registration:
    """Register every deployment of a prefect.yaml, unless nothing that shapes them has changed.

    A deployment that this file named at the last registration, and no longer does, is removed with
    its schedule. A schedule of Prefect's UI stays where the file gives none: `prefect deploy`
    leaves it.

    Args:
        prefect_file: the file.
        project: folder of the flows, which the file's entrypoints and paths start from.
        prefect_api: the server to register with.
        environment: the variables of the process that registers.
        home: folder that remembers the last registration, and what Prefect said in it.

    Raises:
        StackError: the file cannot be read, or Prefect refuses it.

    """
    record = record_of(prefect_file, home)
    digest = _digest(prefect_file, project, prefect_api.url)
    last = _read_record(record)
    standing = prefect_api.deployments()
    names = tuple(last.get("names", ()))
    if last.get("digest") == digest and names and set(names) <= standing.keys():
        return Registration(names, renewed=False)

    _run_prefect_deploy(prefect_file, project, environment, home / "logs" / LOG_FILE)
    current = _names(prefect_file, prefect_api)
    _fix_lines(current, prefect_api)
    if last.get("url") == prefect_api.url:
        for name in sorted(set(names) - set(current)):
            if name in standing:
                prefect_api.delete_deployment(standing[name])
    entry = {"digest": digest, "names": current, "url": prefect_api.url}
    write_private(record, json.dumps(entry, indent=1))
    return Registration(current, renewed=True)


def record_of(prefect_file: Path, home: Path) -> Path:
    """Where the home folder keeps what was registered of a prefect.yaml."""
    return home / f"deployments-{prefect_file.stem}.json"


def _run_prefect_deploy(
    prefect_file: Path, project: Path, environment: Mapping[str, str], log: Path
) -> None:
    command = [sys.executable, "-m", "infra.local.prefect_deploy", "--all", "--prefect-file"]
    try:
        done = subprocess.run(
            [*command, str(prefect_file.absolute())],
            cwd=project,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(
            f"registering {prefect_file} took longer than {TIMEOUT_S:.0f} s"
        ) from error
    make_folder(log.parent)  # which the supervisor makes, where one runs
    write_private(log, done.stdout)
    if done.returncode != 0:
        reason = _reason_in(done.stdout) or f"exit code {done.returncode}"
        raise StackError(f"Prefect refuses {prefect_file}: {reason} (all that it said: {log})")


def _reason_in(output: str) -> str | None:
    """The last error that Prefect's output names; of a failed build step its own, without class."""
    named = [line.strip() for line in output.splitlines() if _is_a_reason(line)]
    own = [line.partition(": ")[2] for line in named if line.startswith(OWN_ERRORS)]
    reasons = own or named
    return reasons[-1] if reasons else None


def _is_a_reason(line: str) -> bool:
    """Whether a line of Prefect's output names an error: `SomeError: why`, maybe indented."""
    name, colon, why = line.strip().partition(":")
    return bool(colon and why) and name.replace(".", "").isidentifier() and "Error" in name


def _names(prefect_file: Path, prefect_api: PrefectApi) -> tuple[str, ...]:
    """The deployments of the file as `flow/name`: the server knows the flows' names."""
    wanted = {
        (entry["name"], entry["entrypoint"])
        for entry in read_prefect_file(prefect_file).get("deployments") or []
    }
    standing = prefect_api.deployments()
    found = tuple(
        sorted(
            name
            for name, deployment in standing.items()
            if (deployment.name, deployment.entrypoint) in wanted
        )
    )
    if len(found) < len(wanted):
        raise StackError(
            f"{prefect_file} names {len(wanted)} deployments, and {len(found)} of them are on the "
            f"Prefect server: {', '.join(found) or 'none'}"
        )
    return found


def _fix_lines(names: Iterable[str], prefect_api: PrefectApi) -> None:
    """Have Prefect's forms show the line of a deployment, which is its name, and not change it."""
    standing = prefect_api.deployments()
    for name in names:
        schema = standing[name].parameter_openapi_schema
        fixed = with_fixed_line(schema, standing[name].name)
        if fixed != schema:
            prefect_api.set_parameter_schema(standing[name], fixed)


def _digest(prefect_file: Path, project: Path, url: str) -> str:
    """Tells whether anything that shapes a deployment has changed."""
    digest = hashlib.sha256(f"{url}\0{version('assayline')}\0{version('prefect')}\0".encode())
    for path in _shaping_files(prefect_file, project):
        digest.update(f"{path}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _shaping_files(prefect_file: Path, project: Path) -> Iterator[Path]:
    yield prefect_file
    for folder in SOURCE_FOLDERS:
        yield from sorted((project / folder).rglob("*.py"))
    for text in sorted(set(_strings(read_prefect_file(prefect_file)))):
        if text.endswith((".yaml", ".yml", ".json")) and (project / text).is_file():
            yield project / text
            yield from _policy_of(project / text)


def _policy_of(line_file: Path) -> Iterator[Path]:
    """The policy file that a line's file names, if it names one that is there."""
    try:
        content = parse_yaml(line_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return  # what is wrong with it, the build step of its line says
    policy = content.get("policy") if isinstance(content, dict) else None
    if isinstance(policy, str):
        path = line_file.parent / Path(policy).expanduser()
        if path.is_file():
            yield path


def read_prefect_file(prefect_file: Path) -> Mapping[str, Any]:
    """The content of a prefect.yaml, with its merge keys resolved.

    Raises:
        StackError: the file cannot be read, or is no mapping.

    """
    try:
        content = parse_yaml(prefect_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StackError(f"{prefect_file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise StackError(f"{prefect_file} holds no deployments; see prefect.yaml of this project")
    return content


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _read_record(record: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # register anew: that is always right, only slower
    return content if isinstance(content, dict) else {}
