"""The mutation script sees what tests miss, on a small project of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.mutants import mutants_of
from tests.mutation.targets import TARGETS

PROJECT = Path(__file__).parents[2]
MODULE = '''\
"""Shares."""

from typing import TYPE_CHECKING

LEAST: float = 0.5


def share(hits: int, rows: int) -> float:
    """Hits among rows; never below the least."""
    if rows < 1:
        raise ValueError(f"{rows + 1} rows")
    return max(hits / rows, LEAST)


def largest(low: float, high: float) -> float:
    return high - low
'''
TESTS = """\
from shares import largest, share


def test_share():
    assert share(3, 4) == 0.75
    assert share(1, 4) == 0.5


def test_largest():
    assert largest(1, 1) == 0
"""
# What these tests cannot see: nothing is asked of one row or none, and both ends are the same.
SURVIVORS = {
    "shares.py share: if rows < 1: → if (rows <= 1):",
    "shares.py share: if rows < 1: → if rows < 2:",
    "shares.py share: if rows < 1: → if rows < 0:",
    "shares.py largest: return high - low → return low - low",
    "shares.py largest: return high - low → return high - high",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shares.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "test_shares.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n", encoding="utf-8")
    return tmp_path


def names(project: Path) -> set[str]:
    return {one.name for one in mutants_of(project, "shares.py")}


def test_mutants_are_of_values_and_not_of_words_or_types(project: Path) -> None:
    made = names(project)
    assert {name for name in made if " share: " in name} - SURVIVORS == {
        "shares.py share: if rows < 1: → if (rows >= 1):",
        "shares.py share: if rows < 1: → if not (rows < 1):",
        "shares.py share: return max(hits / rows, LEAST) → return None",
        "shares.py share: return max(hits / rows, LEAST) → return min(hits / rows, LEAST)",
        "shares.py share: return max(hits / rows, LEAST) → return max(((hits) * (rows)), LEAST)",
    }
    assert {name for name in made if " module: " in name} == {
        "shares.py module: LEAST: float = 0.5 → LEAST: float = 1.0"
    }
    for one in mutants_of(project, "shares.py"):
        compile(one.text, one.path, "exec")
        assert one.text != MODULE


def run(project: Path, explained: list[str], *more: str, errors: str = "") -> tuple[int, list[str]]:
    text = json.dumps(dict.fromkeys(explained, "nobody asks"))
    (project / "explained.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.mutation", "--target", "shares.py=test_shares.py",
            "--survivors", "explained.yaml", "--of-each", "99", "--processes", "2", *more,
        ],
        # Without the plugins that are installed here, which take longer to load than all else.
        env={"PYTHONPATH": f"{project}:{PROJECT}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=project, timeout=100, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == errors
    return done.returncode, done.stdout.splitlines()


def test_what_no_test_sees_is_told_and_no_file_is_changed(project: Path) -> None:
    code, lines = run(project, [])
    assert code == 1
    told = {line.removeprefix("no test sees: ") for line in lines if line.startswith("no test")}
    assert told == SURVIVORS
    total, tried = json.loads(lines[-1]), len(names(project))
    assert (total["tried"], total["survived"], total["explained"]) == (tried, len(SURVIVORS), 0)
    assert total["killed"] == tried - len(SURVIVORS)
    assert sum(line.startswith("[") for line in lines) == tried
    assert (project / "shares.py").read_text(encoding="utf-8") == MODULE
    assert {path.name for path in project.iterdir()} == {
        "shares.py", "test_shares.py", "pytest.ini", "explained.yaml",
    }  # fmt: skip


@pytest.mark.parametrize("gone", [[], ["shares.py gone: a → b"]])
def test_all_is_well_when_what_survives_is_explained_and_what_is_explained_is_there(
    project: Path, gone: list[str]
) -> None:
    code, lines = run(project, [*SURVIVORS, *gone], "--only", "return low - low")
    assert code == len(gone)
    assert [line for line in lines if line.startswith("explained")] == [
        f"explained, but not there: {name}" for name in gone
    ]
    total = json.loads(lines[-1])
    assert (total["tried"], total["survived"], total["explained"]) == (1, 1, 1)


def test_tests_that_fail_without_a_mutant_prove_nothing(project: Path) -> None:
    with (project / "test_shares.py").open("a", encoding="utf-8") as file:
        file.write("    assert share(0, 1) == 0\n")
    said = "without any mutant, test_shares.py end with exit code 1\n"
    assert run(project, [], errors=said) == (1, [])


def test_every_module_and_test_that_is_named_is_there() -> None:
    for module, tests in TARGETS.items():
        assert (PROJECT / module).is_file(), module
        files = [one for one in tests if one.startswith("tests/")]
        assert files
        assert all((PROJECT / one).is_file() for one in files), files
