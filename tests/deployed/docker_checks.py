"""What is wrong with a Dockerfile, as far as it shows without an engine."""

import json
import re
import subprocess
from pathlib import Path

from tests.deployed.common_checks import SCRIPTS, Found, pyproject, version, wrong_command

# A subcommand that wants a line is told one.
ENTRY = ["python", "-m", "infra.deploy.entry"]
BASE = re.compile(
    r"^ARG PYTHON_IMAGE=python:(\d+\.\d+)\.\d+-slim-\w+(@sha256:\w{64})?$", re.MULTILINE
)


def dockerfile(path: Path) -> list[str]:
    """What is wrong with a Dockerfile."""
    text = path.read_text(encoding="utf-8")
    checks = (_versions, _stages, _layers, _commands)
    return [*_linted(path), *(problem for check in checks for problem in check(text))]


def _linted(path: Path) -> Found:
    done = subprocess.run(
        [SCRIPTS / "hadolint", "--no-color", "--format", "json", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    for one in json.loads(done.stdout):
        yield f"{one['code']} in line {one['line']}: {one['message']}"


def _versions(text: str) -> Found:
    base = BASE.search(text)
    if base is None or f">={base[1]}," not in pyproject()["project"]["requires-python"]:
        yield "its base is not pinned to a release of this project's Python"
    if f'image.version="{version()}"' not in text:
        yield f"its label says another version than {version()}"
    for extras in re.findall(r'^ARG EXTRAS="([^"]*)"', text, re.MULTILINE):
        for extra in set(extras.split()) - pyproject()["project"]["optional-dependencies"].keys():
            yield f"there is no extra {extra}"


def _stages(text: str) -> Found:
    user = re.findall(r"^USER (\S+)$", _stage(text, "assayline"), re.MULTILINE)[-1:]
    if not user or not re.fullmatch(r"[1-9]\d+:[1-9]\d+", user[0]):
        yield "does not run as a user of a number, which a cluster can tell from root"
    if re.search(r"^USER", _stage(text, "serving"), re.MULTILINE):
        yield "serving has another user"
    if "\nHEALTHCHECK " not in _stage(text, "serving"):
        yield "serving has no health check"


def _layers(text: str) -> Found:
    copied = text.find("\nCOPY . .")
    installed = text.find("pip install -c constraints.txt -r ")
    if not 0 < installed < copied:
        yield "dependencies are not installed before the sources are there"
    for place in re.findall(r"pip install [^\n]*", text):
        if "-c constraints.txt" not in place and "--no-deps -e ." not in place:
            yield f"installs without constraints.txt: {place}"
    for name in re.findall(r"^\s*(?:ENV|ARG)\s+(\w+)|^\s+(\w+)=", text, re.MULTILINE):
        if re.search(r"PASSWORD|SECRET|TOKEN|LOGIN", "".join(name)):
            yield f"{''.join(name)} would be in a layer of the image"


def _commands(text: str) -> Found:
    for words in re.findall(r"^(?:ENTRYPOINT|CMD|\s+CMD) (\[.*\])$", text, re.MULTILINE):
        command = json.loads(words)
        if command[: len(ENTRY)] == ENTRY and command[len(ENTRY) :]:
            yield from wrong_command([*command[len(ENTRY) :], "bbc-news"])
        elif command[0] != "--help":
            yield from wrong_command(command)


def _stage(text: str, name: str) -> str:
    _, _, after = text.partition(f" AS {name}\n")
    return after.split("\nFROM ")[0]
