"""Where the time of training steps goes, from torch's profiler."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from transformers import TrainerCallback

STEPS: Final = 8
LOADER, OPTIMIZER = "enumerate(DataLoader)", "Optimizer.step"
# Spans that the profiler marks on a GPU's own lane too, where nothing runs for them.
MARKS: Final = (LOADER, "Optimizer.", "ProfilerStep", "##", "Torch-Compiled", "Distributed")
Span = tuple[float, float]


@dataclass(frozen=True)
class Shares:
    """Parts of the time of some steps, each as a share of it; they overlap.

    Attributes:
        device_waits: the device does nothing; NaN where there is none but the CPU. The profiler
            slows the host, so that without it the device waits less.
        loader: the main thread waits for the next rows.
        optimizer: the main thread is in the optimizer's step.
        python: the main thread is in no operator of torch.
        steps_s: of all steps, in seconds.

    """

    device_waits: float
    loader: float
    optimizer: float
    python: float
    steps_s: float


class ProfileCallback(TrainerCallback):  # type: ignore[misc]
    """Profiles some steps of the second epoch.

    Attributes:
        events: of the profiler, once the steps are done.

    """

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._profile: Any = None
        self._steps = 0

    def on_epoch_begin(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Begin with the second epoch; the first one warms up."""
        if state.epoch and not self.events and self._profile is None:
            activities = [ProfilerActivity.CPU]
            if torch.cuda.is_available():
                activities.append(ProfilerActivity.CUDA)
            self._profile = profile(activities=activities)
            self._profile.__enter__()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Count the step, and stop after the last."""
        self._steps += self._profile is not None
        if self._steps == STEPS:
            self._stop()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Stop where the epoch is short."""
        self._stop()

    def _stop(self) -> None:
        if self._profile is None:
            return
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._profile.__exit__(None, None, None)
        self.events = list(self._profile.events())
        self._profile, self._steps = None, -(10**9)


def shares_of(events: Iterable[Any]) -> Shares:
    """Read what a profile says; times are in microseconds there."""
    on_cpu, on_device, marks = [], [], []
    for event in events:
        span = (float(event.time_range.start), float(event.time_range.end))
        if event.device_type == DeviceType.CUDA:
            if not (event.is_user_annotation or event.name.startswith(MARKS)):
                on_device.append(span)
        elif event.is_user_annotation or event.name.startswith(MARKS):
            marks.append((event.name, span))
        else:
            on_cpu.append((event.name, event.thread, span))
    main = _main_thread(on_cpu)
    spans = [span for _, thread, span in on_cpu if thread == main]
    everything = [*on_device, *(span for _, _, span in on_cpu), *(span for _, span in marks)]
    begin, end = min(start for start, _ in everything), max(stop for _, stop in everything)
    whole = end - begin
    return Shares(
        device_waits=1 - covered(on_device) / whole if on_device else float("nan"),
        loader=covered(span for name, span in marks if name.startswith(LOADER)) / whole,
        optimizer=covered(span for name, span in marks if name.startswith(OPTIMIZER)) / whole,
        python=1 - covered(spans) / whole,
        steps_s=whole / 1e6,
    )


def _main_thread(on_cpu: list[tuple[str, int, Span]]) -> int:
    """That of the first operator: the backward pass and the driver have threads of their own."""
    operators = [one for one in on_cpu if one[0].startswith("aten::")]
    return min(operators, key=lambda one: one[2][0])[1]


def covered(spans: Iterable[Span]) -> float:
    """How much of the time at least one of the spans covers."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
