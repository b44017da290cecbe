"""Every test that docs/reliability.md and docs/security.md name is there."""

import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
FILE = re.compile(r"`(?:tests/)?(?P<path>(?:[a-z_]+/)+test_\w+\.py)(?:::(?P<test>test_\w+))?`")
DEFINITION = re.compile(r"^ *def (test_\w+)\(", re.MULTILINE)
# Of a file that was named before.
IN_THAT_FILE = re.compile(r"`(?:…::)?(?P<test>test_\w+)`")


@cache
def defined_in(path: Path) -> frozenset[str]:
    return frozenset(DEFINITION.findall(path.read_text(encoding="utf-8")))


def missing_of(text: str) -> list[str]:
    """Files that are not there, and tests that are in no file which the page named before them."""
    missing: list[str] = []
    files: list[Path] = []
    named = sorted(
        [*FILE.finditer(text), *IN_THAT_FILE.finditer(text)], key=lambda found: found.start()
    )
    for found in named:
        path, test = found.groupdict().get("path"), found["test"]
        where = [TESTS / path] if path else files
        if path and not where[0].is_file():
            missing.append(found[0])
            continue
        if test and not any(test in defined_in(file) for file in where):
            missing.append(found[0])
        if path:
            files += where
    return missing


@pytest.mark.parametrize("page", ["reliability.md", "security.md"])
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert len(FILE.findall(text)) >= 20
    assert missing_of(text) == []


def test_a_file_or_a_test_that_is_not_there_is_seen() -> None:
    here = "`unit/test_documented_tests.py`"
    assert missing_of(f"{here}, `tests/faults/test_nothing.py`") == [
        "`tests/faults/test_nothing.py`"
    ]
    assert missing_of(f"{here} `…::test_nothing`") == ["`…::test_nothing`"]
    assert missing_of("`unit/test_verdicts.py::test_nothing`")
    assert missing_of(f"{here}, `test_a_file_or_a_test_that_is_not_there_is_seen`") == []
