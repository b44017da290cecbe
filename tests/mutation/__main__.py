"""Plants mistakes in the code that judges models, and looks whether the fast tests see them.

For each mutant a process is forked in which Python loads the mutated text in place of the module's
file; no file is changed. A mutant that no test sees must stand in survivors.yaml with the reason
why none can. The last line is one JSON object; the exit code is 0 only if every survivor is
explained, and every explanation is of a mutant that there is.
"""

import argparse
import contextlib
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType

import hypothesis
import pytest
import yaml

from infra.machine import available_cores
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.targets import TARGETS

SURVIVORS = Path(__file__).parent / "survivors.yaml"
# Loaded once, before the processes part; no module that has mutants may be among them.
PRELOADED = (
    "numpy", "scipy.stats", "pandas", "pyarrow.parquet", "sklearn.feature_extraction.text",
    "sklearn.metrics", "hypothesis.extra.numpy", "pydantic", "boto3", "fairlearn.metrics",
    "sacrebleu", "torch", "transformers", "infra.base_models", "infra.store",
    "infra.tracking",
)  # fmt: skip
# A mutant may run for ever; it has this many times as long as the tests take, and some seconds.
TIMES_THE_TESTS, MORE_S = 5, 20


class _Mutated(SourceFileLoader):
    """Loads a text in place of a module's file."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.get_filename(fullname), "exec", dont_inherit=True)

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None


@dataclass(frozen=True)
class Job:
    """Tests to run in a process of their own, with a mutant or without one."""

    tests: tuple[str, ...]
    limit_s: float = 900.0
    mutant: Mutant | None = None


def start(job: Job) -> int:
    """Fork a process that runs the tests up to the first failure; its exit code is pytest's."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        if mutant := job.mutant:
            module = mutant.path.removesuffix(".py").replace("/", ".")
            sys.meta_path.insert(0, _Mutated(module, str(Path.cwd() / mutant.path), mutant.text))
        code = int(_run_tests(job.tests))
    finally:
        os._exit(code)


def _run_tests(tests: Sequence[str]) -> int:
    hypothesis.settings.register_profile(
        "mutants", database=None, derandomize=True, deadline=None,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    )  # fmt: skip
    hypothesis.settings.load_profile("mutants")
    return pytest.main(["-x", "-q", "-m", "not slow", "--tb=no", "-p", "no:cacheprovider", *tests])


def run_all(jobs: Iterable[Job], processes: int) -> Iterator[tuple[Job, int, float]]:
    """Jobs as they end, each with its exit code, below 0 where it ran too long, and its seconds."""
    waiting = list(jobs)[::-1]
    running: dict[int, tuple[Job, float]] = {}
    while waiting or running:
        while waiting and len(running) < processes:
            job = waiting.pop()
            running[start(job)] = (job, time.monotonic())
        time.sleep(0.02)
        for process, (job, began) in list(running.items()):
            took = time.monotonic() - began
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended and took > job.limit_s:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)
                ended, status = os.waitpid(process, 0)
            if ended:
                del running[process]
                yield job, os.waitstatus_to_exitcode(status), took


def limits(
    sets_of_tests: Iterable[tuple[str, ...]], processes: int
) -> dict[tuple[str, ...], float]:
    """Seconds that each set of tests may take, from how long it takes without a mutant.

    Raises:
        SystemExit: it fails without one.

    """
    found = {}
    for job, code, took in run_all(map(Job, sorted(sets_of_tests)), processes):
        if code != 0:
            sys.exit(f"without any mutant, {' '.join(job.tests)} end with exit code {code}")
        print(f"without any mutant, {' '.join(job.tests)} pass in {took:.1f} s", flush=True)
        found[job.tests] = TIMES_THE_TESTS * took + MORE_S
    return found


def survivors_of(
    mutants: Sequence[Mutant], targets: dict[str, tuple[str, ...]], processes: int
) -> list[Mutant]:
    """The mutants that no test sees; a line is printed for each mutant."""
    asked = [(targets[one.path], one) for one in mutants]
    allowed = limits({tests for tests, _ in asked}, processes)
    jobs = (Job(tests, allowed[tests], one) for tests, one in asked)
    survived: list[Mutant] = []
    for count, (job, code, took) in enumerate(run_all(jobs, processes), start=1):
        assert job.mutant
        said = "survived" if code == 0 else "timed out" if code < 0 else "killed"
        print(f"[{count}/{len(mutants)}] {said} {took:.1f} s  {job.mutant.name}", flush=True)
        if code == 0:
            survived.append(job.mutant)
    return survived


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="which mutants are drawn")
    parser.add_argument("--of-each", type=int, default=10, help="mutants of each module")
    parser.add_argument("--processes", type=int, default=available_cores())
    parser.add_argument(
        "--only", action="append", help="all mutants whose name holds this text, instead of a draw"
    )
    parser.add_argument(
        "--target", action="append", metavar="MODULE=TEST,TEST",
        help="a module and its tests, instead of those of targets.py",
    )  # fmt: skip
    parser.add_argument("--survivors", type=Path, default=SURVIVORS, help="the explanations")
    return parser.parse_args(arguments)


def choose(made: dict[str, list[Mutant]], options: argparse.Namespace) -> list[Mutant]:
    """As many mutants of each module, by chance, or those that are asked for."""
    if options.only:
        every = (one for of in made.values() for one in of)
        return [one for one in every if any(text in one.name for text in options.only)]
    ranked = (sorted(of, key=lambda one: one.rank(options.seed)) for of in made.values())
    return [one for of in ranked for one in of[: options.of_each]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run mutants of the project in the current folder."""
    options, started = parse(arguments), time.monotonic()
    targets = TARGETS
    if options.target:
        named = (one.split("=", 1) for one in options.target)
        targets = {module: tuple(tests.split(",")) for module, tests in named}
    else:
        for module in PRELOADED:
            importlib.import_module(module)
    made = {path: mutants_of(Path.cwd(), path) for path in targets}
    chosen = choose(made, options)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
        survived = survivors_of(chosen, targets, options.processes)
    explained = yaml.safe_load(options.survivors.read_text(encoding="utf-8")) or {}
    known = {one.name for of in made.values() for one in of}
    unexplained = [one.name for one in survived if one.name not in explained]
    stale = [name for name in explained if name not in known]
    for name in unexplained:
        print(f"no test sees: {name}")
    for name in stale:
        print(f"explained, but not there: {name}")
    told = {
        "made": len(known), "tried": len(chosen), "killed": len(chosen) - len(survived),
        "survived": len(survived), "explained": len(survived) - len(unexplained),
        "seed": options.seed, "seconds": round(time.monotonic() - started),
    }  # fmt: skip
    print(json.dumps(told))
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    sys.dont_write_bytecode = True
    sys.exit(main())
