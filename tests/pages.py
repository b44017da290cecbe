"""The commands and snippets of the pages that users read, for the tests that run them."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = (
    ROOT / "README.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in ("architecture", "gpu", "reliability", "security", "task-types")
    ),
)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MAKE = re.compile(r"`(make [a-z][^`]*)`")
_COMMAND = re.compile(r"`(assayline [^`]+)`")


class Snippet(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def snippets() -> list[Snippet]:
    """Every fenced block that says what it is in."""
    return [
        Snippet(page.name, language, text)
        for page in PAGES
        for language, text in _BLOCK.findall(page.read_text(encoding="utf-8"))
    ]


def shell_lines() -> list[str]:
    """Every command line of the shell blocks, without its comment."""
    lines = [
        line.split("  #")[0].split(" # ")[0].strip()
        for snippet in snippets()
        if snippet.language == "sh"
        for line in snippet.text.splitlines()
    ]
    return [line for line in lines if line and not line.startswith("#")]


def make_commands() -> list[str]:
    """Every ``make`` command in a shell block or in the running text, once."""
    inline = [found for page in PAGES for found in _MAKE.findall(page.read_text(encoding="utf-8"))]
    block = [line for line in shell_lines() if line.startswith("make ")]
    return list(dict.fromkeys([*block, *inline]))


def commands() -> list[str]:
    """Every ``assayline`` command in a shell block or in the running text, once."""
    inline = [
        " ".join(found.split())
        for page in PAGES
        for found in _COMMAND.findall(page.read_text(encoding="utf-8"))
    ]
    block = [line for line in shell_lines() if line.startswith("assayline ")]
    return list(dict.fromkeys([*block, *inline]))
