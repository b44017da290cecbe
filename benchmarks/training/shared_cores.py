"""Training beside other programs: the share of its fair speed that it keeps.

Two processes train the same model on the same sentences, one as the product does, one with torch's
own way of waiting, which is the peer. They run turn by turn, each alone and beside processes that
only calculate, five for each core. Both times what counts is read from the kernel's clocks in the
same seconds, so that other work on the machine changes little:

- The fair share is what as many always runnable threads get: the processor time that the training
  and the busy processes got together, divided by all of their threads, times the training's.
- The full speed of that share is real tokens a second of processor time, as trained alone.
"""

import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Final

from infra.machine import available_cores
from infra.thread_waits import short_waits_under_load

BUSY_A_CORE: Final = 5
ROUNDS: Final = 3
ALONE_S, BESIDE_S = 6.0, 20.0
# A training notices the load, or its end, within some looks.
NOTICE_S: Final = 7.0
LEAST_STEPS: Final = 1
ROWS: Final = 4_000
WAYS: Final = ("ours", "torch")
BUSY: Final = "while True: pass"


@dataclass(frozen=True)
class Window:
    """Some steps in a row.

    Attributes:
        tokens_per_s: real tokens a second.
        tokens_per_cpu_s: real tokens a second of the training's processor time.
        fair_cpus: processors that the training would have had as its fair share.
        cpus: those that it had.

    """

    tokens_per_s: float
    tokens_per_cpu_s: float
    fair_cpus: float
    cpus: float


class Training:
    """A training in a process of its own, which stands still but in `window`."""

    def __init__(self, way: str) -> None:
        self.steps: list[tuple[float, float, int]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.training.shared_cores", way],
            stdout=subprocess.PIPE,
            text=True,
        )
        Thread(target=self._read, daemon=True).start()
        self._until(LEAST_STEPS)
        self.process.send_signal(signal.SIGSTOP)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.steps.append(tuple(json.loads(line)))

    def _until(self, steps: int) -> None:
        while len(self.steps) < steps:
            if self.process.poll() is not None:
                raise SystemExit(f"the training ended with {self.process.returncode}")
            time.sleep(0.01)

    def window(self, seconds: float, busy: list[subprocess.Popen[bytes]]) -> Window:
        """Go on for so long, and for some steps at least."""
        self.process.send_signal(signal.SIGCONT)
        time.sleep(NOTICE_S)
        self._until(len(self.steps) + 1)
        first, busy_before = self.steps[-1], sum(map(cpu_s, busy))
        until = len(self.steps) + LEAST_STEPS
        while len(self.steps) < until or self.steps[-1][0] - first[0] < seconds:
            self._until(len(self.steps) + 1)
        last, busy_s = self.steps[-1], sum(map(cpu_s, busy)) - busy_before
        self.process.send_signal(signal.SIGSTOP)
        wall_s, own_s, tokens = (after - before for after, before in zip(last, first, strict=True))
        threads = available_cores()
        fair_s = (own_s + busy_s) * threads / (threads + len(busy))
        return Window(tokens / wall_s, tokens / own_s, fair_s / wall_s, own_s / wall_s)

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Medians over the rounds.

    Returns:
        share_under_load: tokens a second beside the busy processes, of those that the fair share
            of the processors would give at the full speed.
        share_under_load_torch: the same with torch's own way of waiting.
        speed_under_load_vs_torch: ours over torch's, beside the busy processes.
        speed_alone_vs_torch: the same, alone.

    """
    alone: dict[str, list[Window]] = {way: [] for way in WAYS}
    beside: dict[str, list[Window]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        trainings = {way: Training(way) for way in WAYS}
        for training in trainings.values():
            stack.callback(training.end)
        for number in range(rounds):
            for way in WAYS if number % 2 else reversed(WAYS):
                alone[way].append(trainings[way].window(ALONE_S, []))
            with busy_processes(BUSY_A_CORE * available_cores()) as busy:
                for way in WAYS:
                    beside[way].append(trainings[way].window(BESIDE_S, busy))
            _say(number, alone, beside)
    full = max(one.tokens_per_cpu_s for windows in alone.values() for one in windows)
    shares = {
        way: statistics.median(one.tokens_per_s / (full * one.fair_cpus) for one in windows)
        for way, windows in beside.items()
    }
    return {
        "share_under_load": shares["ours"],
        "share_under_load_torch": shares["torch"],
        "speed_under_load_vs_torch": _ratio(beside),
        "speed_alone_vs_torch": _ratio(alone),
        "busy_processes": float(BUSY_A_CORE * available_cores()),
        "fair_cpus_under_load": statistics.median(one.fair_cpus for one in beside["ours"]),
        "cpus_under_load": statistics.median(one.cpus for one in beside["ours"]),
        "cpus_under_load_torch": statistics.median(one.cpus for one in beside["torch"]),
        "tokens_per_cpu_s_alone": full,
        **{
            f"tokens_per_cpu_s_under_load_{way}": statistics.median(
                one.tokens_per_cpu_s for one in windows
            )
            for way, windows in beside.items()
        },
    }


def _ratio(windows: dict[str, list[Window]]) -> float:
    rates = {way: statistics.median(one.tokens_per_s for one in of) for way, of in windows.items()}
    return rates["ours"] / rates["torch"]


@contextmanager
def busy_processes(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes of one thread that never waits."""
    started = [subprocess.Popen([sys.executable, "-S", "-c", BUSY]) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time that a process of one thread has had."""
    text = Path(f"/proc/{process.pid}/schedstat").read_text(encoding="ascii")
    return int(text.split()[0]) / 1e9


def _say(number: int, alone: dict[str, list[Window]], beside: dict[str, list[Window]]) -> None:
    for way in WAYS:
        one, other = alone[way][-1], beside[way][-1]
        print(
            f"shared cores, round {number + 1}, {way}: alone {one.tokens_per_s:,.0f} tokens a "
            f"second on {one.cpus:.2f} cores; beside others {other.tokens_per_s:,.0f} on "
            f"{other.cpus:.2f}, its fair share being {other.fair_cpus:.2f}; load "
            f"{os.getloadavg()[0]:.1f}",
            file=sys.stderr,
            flush=True,
        )


def train(way: str) -> None:
    """Train until killed, and print after each step: clock, processor time, and tokens so far."""
    from transformers import PrinterCallback, TrainerCallback

    from benchmarks.training.sentences import LEARNER, load_sentences, new_model
    from benchmarks.training.throughput import SETTINGS
    from infra.device import deterministic_algorithms, pick_device
    from infra.transformers_logs import quiet_transformers
    from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of
    from tasks.training.arguments import trainer_arguments
    from tasks.training.curves import Curves
    from tasks.training.trainer import LineTrainer

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            used = resource.getrusage(resource.RUSAGE_SELF)
            row = (time.monotonic(), used.ru_utime + used.ru_stime, curves.tokens)
            print(json.dumps(row), flush=True)

    curves = Curves()
    waits = short_waits_under_load() if way == "ours" else nullcontext()
    with tempfile.TemporaryDirectory() as name, quiet_transformers(), waits:
        data = load_sentences(Path(name), ROWS, 1)
        model = new_model(data.folder)
        vocabulary = vocabulary_of(load_tokenizer(data.folder), model.config)
        settings = SETTINGS.model_copy(update={"epochs": 100})
        arguments = trainer_arguments(settings, pick_device(), Path(name), LEARNER)
        arguments.eval_strategy = arguments.save_strategy = "no"
        arguments.load_best_model_at_end = False
        with deterministic_algorithms():
            rows = (data.train, data.held_out)
            trainer = LineTrainer(model, arguments, LEARNER, settings, rows, vocabulary, curves)
            trainer.remove_callback(PrinterCallback)
            trainer.add_callback(Steps())
            trainer.train()


if __name__ == "__main__":
    train(sys.argv[1])
