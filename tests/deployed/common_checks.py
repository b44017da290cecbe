"""What each file by which the stack is deployed is held against: variables, commands, ports."""

import importlib.util
import re
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cyclopts import CycloptsError

from flows.commands.cli import app
from infra.deploy.entry import ENDING
from infra.deploy.part import PARTS
from infra.deploy.settings import variables

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "infra" / "deploy"
SCRIPTS = Path(sysconfig.get_path("scripts"))
# Of other programs: PostgreSQL's image, Prefect's Kubernetes worker, an init of containers.
OTHERS = re.compile(
    r"POSTGRES_\w+|PGDATA|PREFECT_INTEGRATIONS_KUBERNETES_\w+|TINI_KILL_PROCESS_GROUP"
)
# Programs of the image that are no commands of ours.
PROGRAMS = frozenset({"sleep"})
# Part -> port at which others ask it.
PORTS = {"postgres": 5432, "store": 19000, "mlflow": 15000, "prefect": 14200, "serve": 16000}

Found = Iterator[str]
Document = dict[str, Any]


@cache
def pyproject() -> Mapping[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def version() -> str:
    return str(pyproject()["project"]["version"])


def unknown_variables(named: Iterable[str]) -> Found:
    known = variables()
    for name in named:
        is_file = name.endswith(ENDING) and known.get(name.removesuffix(ENDING), False)
        if name not in known and not is_file and not OTHERS.fullmatch(name):
            yield f"nothing reads the variable {name}"


def wrong_command(command: list[str]) -> Found:
    """A command whose program, module, part or options are not there."""
    match command:
        case ["python", "-m", "infra.deploy.part", *named]:
            if len(named) != 1 or named[0] not in PARTS:
                yield f"there is no part {' '.join(named)}"
        case ["python", "-m", module, *_]:
            if importlib.util.find_spec(module) is None:
                yield f"there is no module {module}"
        case ["assayline", *words]:
            try:
                app.parse_args(words, exit_on_error=False, print_error=False)
            except CycloptsError as error:
                yield f"assayline {' '.join(words)}: {error}"
        case [program, *_] if program in PROGRAMS:
            return
        case _:
            yield f"there is no command {command}"


def parts_asked(value: object) -> Iterator[tuple[str, int | None]]:
    """Host and port of each address in a value."""
    for word in str(value).split():
        parts = urlsplit(word)
        if parts.scheme in {"http", "https"} and parts.hostname:
            yield parts.hostname, parts.port
