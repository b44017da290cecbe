"""The driver of the check for a GPU: what becomes of steps that hang, crash or say nothing."""

import importlib
import json
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu import driver
from benchmarks.gpu.driver import Outcome, print_summary, run_steps, summary_of
from benchmarks.gpu.findings import Check, Report, read_findings
from benchmarks.gpu.plan import STEPS, TOTAL_S, Step

# Stands in for `benchmarks.gpu.one_step`: each name misbehaves in its own way.
PROGRAM = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
name, folder = sys.argv[1], Path(sys.argv[3])
def tell(verdict):
    line = {"kind": "check", "name": "one", "verdict": verdict, "said": "it was looked at"}
    with (folder / f"findings-{name}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\\n")
if name == "hangs":
    tell("pass")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (folder / "child").write_text(str(child.pid))
    time.sleep(60)
elif name == "crashes":
    os.kill(os.getpid(), signal.SIGSEGV)
elif name == "raises":
    tell("pass")
    raise RuntimeError("no kernel image is available")
elif name == "cut":
    tell("pass")
    with (folder / "findings-cut.jsonl").open("a") as file:
        file.write('{"kind": "check", "na')
    sys.exit(1)
elif name == "skips":
    tell("skipped")
elif name == "fine":
    tell("pass")
    assert sys.argv[5] == (folder / "wanted").read_text()
"""


def steps(*names: str, limit_s: float = 30) -> list[Step]:
    return [Step(name, limit_s, "it is tried") for name in names]


def run(tmp_path: Path, *names: str, limit_s: float = 30, size: str = "auto") -> list[Outcome]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "wanted").write_text(size)
    command = [sys.executable, str(program)]
    with pytest.MonkeyPatch.context() as patched:  # as if there were a GPU, where limits are kept
        patched.setattr(driver, "NVIDIA_DRIVER", program)
        return run_steps(steps(*names, limit_s=limit_s), tmp_path, size, command)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text()


def test_a_step_that_hangs_is_ended_with_all_that_it_started_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    hung, fine = run(tmp_path, "hangs", "fine", limit_s=2)
    assert hung.verdict == "fail"
    assert [check.name for check in hung.checks] == ["one", "time limit"]
    assert "2 s" in hung.checks[-1].said
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(child)
    assert fine.verdict == "pass"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crashes", "exit code -11: nothing was printed"),
        ("raises", "exit code 1: RuntimeError: no kernel image is available"),
        ("silent", "told nothing"),
        ("cut", "exit code 1"),
    ],
)
def test_a_step_that_does_not_end_well_fails_with_its_last_words(
    tmp_path: Path, name: str, said: str
) -> None:
    broken, fine = run(tmp_path, name, "fine")
    assert broken.verdict == "fail"
    assert said in broken.checks[-1].said
    assert fine.verdict == "pass"


def test_what_is_skipped_alone_is_neither_a_pass_nor_a_failure(tmp_path: Path) -> None:
    (skipped,) = run(tmp_path, "skips")
    assert skipped.verdict == "skipped"
    assert summary_of([skipped], [], 1.0)["verdict"] == "pass"


def test_the_last_line_is_one_json_object_and_a_failure_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = run(tmp_path, "fine", "raises")
    capsys.readouterr()
    assert not print_summary(outcomes, ["a.whl"], 2.0)
    lines = capsys.readouterr().out.splitlines()
    told = json.loads(lines[-1])
    assert told["verdict"] == "fail"
    assert {name: step["verdict"] for name, step in told["steps"].items()} == {
        "fine": "pass", "raises": "fail",
    }  # fmt: skip
    assert any("FAIL" in line and "no kernel image" in line for line in lines[:-1])
    assert print_summary(outcomes[:1], [], 1.0)


def test_numbers_that_are_none_are_never_right(tmp_path: Path) -> None:
    report = Report(tmp_path / "findings.jsonl")
    report.at_most("apart", float("nan"), 1.0)
    report.close("loss", float("nan"), 1.0, share=1.0)
    report.close("loss", 1.0, float("nan"), share=1.0)
    report.figure("rate", float("inf"), "tokens/s")
    checks, figures = read_findings(tmp_path / "findings.jsonl")
    assert [check.verdict for check in checks] == ["fail"] * 3
    assert figures[0].value == "inf"


def test_an_error_in_a_part_hides_no_other_part(tmp_path: Path) -> None:
    report = Report(tmp_path / "findings.jsonl")
    with report.part("first"):
        raise ValueError("the first line\nthe second")
    with report.part("second"):
        report.check("second", right=True, said="it ran")
    assert read_findings(tmp_path / "findings.jsonl")[0] == [
        Check("first", "fail", "ValueError: the first line"),
        Check("second", "pass", "it ran"),
    ]


def test_all_limits_together_stay_below_eight_minutes() -> None:
    assert sum(step.limit_s for step in STEPS) <= TOTAL_S < 8 * 60
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert STEPS[0].name == "prepare"


def test_each_step_has_its_module_and_each_module_is_a_step() -> None:
    found = Path(importlib.import_module("benchmarks.gpu.steps").__file__ or "").parent
    modules = {path.stem for path in found.glob("*.py")} - {"__init__"}
    assert modules == {step.name for step in STEPS}
