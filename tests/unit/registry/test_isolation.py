"""The serving process's own checks, in interpreters like the one that it runs in."""

import subprocess
import sys
import sysconfig
from pathlib import Path

from infra.serving import SCRIPT

PROJECT = Path(__file__).parents[3]
LIBRARIES = sysconfig.get_path("purelib")


def run(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that has loaded the serving script as a module ``script``."""
    load = f"import runpy, sys; script = runpy.run_path({str(SCRIPT)!r}); "
    return subprocess.run(
        [sys.executable, *flags, "-c", load + code],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
        check=False,
    )


def test_libraries_can_be_imported_and_the_project_cannot() -> None:
    code = (
        f"script['isolate']([{LIBRARIES!r}]); import pandas; print('pandas');\n"
        "for name in ('tasks.records', 'infra.store', 'flows'):\n"
        "    try: __import__(name)\n"
        "    except ModuleNotFoundError: print('no', name)\n"
    )
    done = run(code, "-I", "-S")
    assert done.stdout.split("\n")[:4] == ["pandas", "no tasks.records", "no infra.store",
                                           "no flows"], done.stderr  # fmt: skip


def test_the_project_is_refused_even_where_it_is_installed() -> None:
    code = f"script['isolate']([{LIBRARIES!r}, {str(PROJECT)!r}]); import tasks"
    done = run(code, "-I", "-S")
    assert done.returncode == 1
    assert "ModuleNotFoundError: tasks is not for a served model" in done.stderr


def test_a_project_that_is_loaded_already_stops_the_process() -> None:
    code = f"sys.path.insert(0, {str(PROJECT)!r}); import tasks; script['isolate']([])"
    done = run(code, "-I", "-S")
    assert done.returncode == 1
    assert "can be imported where the model is served" in done.stderr
