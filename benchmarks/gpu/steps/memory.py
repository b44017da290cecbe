"""Out of memory, provoked: passes are halved; and the peak against what a dry run says."""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch

from benchmarks.gpu.findings import Report
from benchmarks.gpu.folder_store import NoTracking
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.trainings import apart_in_the_mean, choice_of, job_for, settings_for, train
from infra.device import pick_device
from tasks.records.training import Weights
from tasks.training.jobs import Job
from tasks.training.plan import plan_training

CURVE_SHARE: Final = {"float32": 1e-3, "bfloat16": 0.05, "float16": 0.05}
# The peak over the estimate; what a dry run says is read to choose a machine by.
LEAST_RATIO, LARGEST_RATIO = 0.6, 1.5
# What the allocator loses between blocks, over what a training that fits asks for.
MARGIN, SPARE_MB = 1.5, 256


def run(report: Report, inputs: Inputs) -> None:
    """Halve passes, then compare the peak with the plan."""
    with report.part("halved passes"):
        _halve(report, inputs)
    with report.part("estimate"):
        _estimate(report, inputs)


def _halve(report: Report, inputs: Inputs) -> None:
    """Train in passes that fit, then in one pass a step where memory was taken away."""
    size = inputs.size
    small = settings_for(
        inputs,
        batch_size=size.large_batch_size,
        tokens_per_pass=size.tokens_per_pass // 4,
        epochs=2,
    )
    large = small.model_copy(update={"tokens_per_pass": size.tokens_per_pass * 4})
    job, scarce = (
        job_for(inputs, "masked_lm", "minilm", settings, few=True) for settings in (small, large)
    )
    plain = train(inputs, job, choice_of())
    with _little_memory(plain, job) as told, _halvings_seen() as seen:
        halved = train(inputs, scarce, choice_of())
    report.figure("memory_left", told)
    report.figure("halvings", float(len(seen)))
    report.check("halved passes", right=bool(seen), said=(seen or ["nothing was halved"])[0][:120])
    report.at_most(
        "loss curve", apart_in_the_mean(plain, halved), CURVE_SHARE[pick_device().precision]
    )


@contextmanager
def _little_memory(fitting: Weights, job: Job) -> Iterator[str]:
    """Leave the device little more than a training that fitted took; on a CPU ask for too much."""
    if job.device.name != "cuda":
        limit = job.settings.tokens_per_pass
        hook = torch.nn.modules.module.register_module_forward_pre_hook(_asks_for_too_much(limit))
        try:
            yield f"embeddings of more than {limit} tokens ask for 2^50 bytes"
        finally:
            hook.remove()
        return
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    total = torch.cuda.get_device_properties(0).total_memory
    share = min(1.0, (MARGIN * fitting.peak_memory_mb + SPARE_MB) * 1e6 / total)
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        yield f"{share * total / 1e6:,.0f} MB"
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def _asks_for_too_much(limit: int) -> Any:
    def ask(module: Any, arguments: tuple[Any, ...]) -> None:
        if isinstance(module, torch.nn.Embedding) and arguments[0].numel() > limit:
            torch.empty(2**50)  # the real allocator has no such memory

    return ask


@contextmanager
def _halvings_seen() -> Iterator[list[str]]:
    seen: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "out of memory" in record.getMessage():
                seen.append(record.getMessage())

    listener, logger = Listener(), logging.getLogger("tasks.training.trainer")
    logger.addHandler(listener)
    try:
        yield seen
    finally:
        logger.removeHandler(listener)


def _estimate(report: Report, inputs: Inputs) -> None:
    settings = settings_for(
        inputs, batch_size=inputs.size.large_batch_size, compile="off", batching="padded",
        dropout=None, precision=pick_device().precision,
    )  # fmt: skip
    job = job_for(inputs, "classification", "minilm", settings, few=True)
    plan = plan_training(
        inputs.store, NoTracking(), job.tokens, job.base, "classification", settings
    )
    report.figure("estimate", plan.memory_mb, "MB")
    report.check(
        "estimate is made", right=plan.memory_mb > 0 and plan.device == job.device.name,
        said=f"{plan.memory_mb:,.0f} MB on {plan.device}",
    )  # fmt: skip
    if job.device.name != "cuda":
        report.skip(
            "peak", "a CPU's process holds its libraries too, and cannot tell its peak apart"
        )
        return
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    peak = train(inputs, job, choice_of()).peak_memory_mb
    report.figure("peak", peak, "MB")
    ratio = peak / plan.memory_mb
    report.check(
        "peak", right=LEAST_RATIO <= ratio <= LARGEST_RATIO,
        said=f"{ratio:.2f} of the estimate; right is {LEAST_RATIO} to {LARGEST_RATIO}",
    )  # fmt: skip
