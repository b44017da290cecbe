"""Runs the steps one after the other, and tells what came of them."""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from benchmarks.gpu.findings import SHOWN, Check, Figure, Verdict, read_findings
from benchmarks.gpu.one_step import findings_file
from benchmarks.gpu.plan import TINY_LIMIT_S, Step

PROJECT: Final = Path(__file__).parents[2]
# Without it there is no CUDA device on Linux, and the first step will choose the tiny size.
NVIDIA_DRIVER: Final = Path("/dev/nvidiactl")
LOG_CHARS_SHOWN: Final = 300
# The worst of a step's checks is its verdict.
ORDER: Final[tuple[Verdict, ...]] = ("fail", "pass", "skipped", "lacking")


@dataclass(frozen=True)
class Outcome:
    """What came of a step."""

    step: Step
    checks: list[Check]
    figures: list[Figure]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """Fail if a check failed, else pass if one passed."""
        return next(one for one in ORDER if any(check.verdict == one for check in self.checks))


def run_steps(
    steps: Sequence[Step], folder: Path, size: str, command: Sequence[str] | None = None
) -> list[Outcome]:
    """Run steps in processes of their own, each within its limit.

    Args:
        steps: in their order.
        folder: that they share.
        size: ``auto`` or ``tiny``.
        command: that runs a step, in place of `benchmarks.gpu.one_step`.

    """
    outcomes: list[Outcome] = []
    for step in steps:
        outcomes.append(_run(step, folder, size, command))
        if any(f.name == "size" and f.value == "tiny" for f in outcomes[-1].figures):
            size = "tiny"  # there is no GPU here
    return outcomes


def _run(step: Step, folder: Path, size: str, command: Sequence[str] | None) -> Outcome:
    tiny = size == "tiny" or not NVIDIA_DRIVER.exists()
    limit_s = TINY_LIMIT_S if tiny else step.limit_s
    program = command or [sys.executable, "-m", "benchmarks.gpu.one_step"]
    log = folder / f"log-{step.name}.txt"
    begin_s = time.monotonic()
    print(f"{step.name}: {step.what}", file=sys.stderr, flush=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, step.name, "--folder", str(folder), "--size", size],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=PROJECT,
            start_new_session=True,
        )  # fmt: skip
        code = _wait(process, limit_s)
    seconds = time.monotonic() - begin_s
    checks, figures = read_findings(findings_file(folder, step.name))
    if code is None:
        checks.append(Check("time limit", "fail", f"ended after {limit_s:g} s"))
    elif code != 0:
        said = f"exit code {code}: {_last_words(log)}"
        checks.append(Check("process", "fail", said))
    elif not checks:
        checks.append(Check("findings", "fail", "the process ended well and told nothing"))
    return Outcome(step, checks, figures, seconds)


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> int | None:
    """The exit code; None where the process and all that it started had to be ended."""
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return (lines or ["nothing was printed"])[-1][:LOG_CHARS_SHOWN]


def summary_of(outcomes: Sequence[Outcome], brought: Sequence[str], seconds: float) -> Any:
    """All findings as one JSON value."""
    facts = {figure.name: figure.value for outcome in outcomes for figure in outcome.figures}
    failed = any(outcome.verdict == "fail" for outcome in outcomes)
    return {
        "verdict": "fail" if failed else "pass",
        "device": facts.get("device", "unknown"),
        "card": facts.get("card", ""),
        "size": facts.get("size", "unknown"),
        "python": platform.python_version(),
        "torch": facts.get("torch", ""),
        "transformers": facts.get("transformers", ""),
        "wheels": list(brought),
        "seconds": round(seconds, 1),
        "steps": {
            outcome.step.name: {
                "verdict": outcome.verdict,
                "seconds": round(outcome.seconds, 1),
                "checks": [asdict(check) for check in outcome.checks],
                "figures": {
                    figure.name: {
                        name: value
                        for name, value in asdict(figure).items()
                        if name != "name" and value != ""
                    }
                    for figure in outcome.figures
                },
            }
            for outcome in outcomes
        },
    }


def print_table(outcomes: Sequence[Outcome], out: TextIO) -> None:
    """Each step with its checks and figures, for people."""
    for outcome in outcomes:
        step = outcome.step
        print(
            f"\n{SHOWN[outcome.verdict]:<8} {step.name} ({outcome.seconds:.1f} s): {step.what}",
            file=out,
        )
        for check in outcome.checks:
            print(f"    {SHOWN[check.verdict]:<8} {check.name}: {check.said}", file=out)
        for figure in outcome.figures:
            goal = f" (goal: {figure.goal})" if figure.goal else ""
            shown = f"{figure.value:,.4g}" if isinstance(figure.value, float) else figure.value
            print(f"             {figure.name}: {shown} {figure.unit}{goal}".rstrip(), file=out)
    print(file=out)


def print_summary(outcomes: Sequence[Outcome], brought: Sequence[str], seconds: float) -> bool:
    """Table and JSON to standard output, the JSON last; whether nothing failed."""
    print_table(outcomes, sys.stdout)
    summary = summary_of(outcomes, brought, seconds)
    print(json.dumps(summary, allow_nan=False))
    return bool(summary["verdict"] == "pass")
