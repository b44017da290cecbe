"""Packed rows against padded ones: the same loss and the same gradient."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor
from transformers import set_seed

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.shapes import ModelName
from benchmarks.gpu.trainings import job_for, settings_for, working_folder
from infra.device import Precision, matrix_products
from tasks.task_types.examples import Batch
from tasks.training.autotune import autocast, packing_of
from tasks.training.jobs import Job
from tasks.training.models import new_model, read_rows, vocabulary_of_base
from tasks.training.packing import Packing, exact_packing, gpu_ways
from tasks.training.passes import Passes

TRAININGS: Final[tuple[tuple[str, ModelName], ...]] = (
    ("masked_lm", "minilm"),
    ("causal_lm", "smollm2"),
)
ROWS: Final = 32
FLOAT32_SHARE: Final = 1e-5
# In bfloat16 the padded batch's own gradient is this far from float32's and no nearer: packed rows
# may be half as far again, and the loss a thousandth apart.
BFLOAT16_LOSS_SHARE: Final = 1e-3
BFLOAT16_FACTOR: Final = 1.5
WAYS: Final = ("dense", "flex", "flash")


@dataclass(frozen=True)
class Gradient:
    """The loss of a batch, and its gradient in one row."""

    loss: float
    values: Tensor

    def apart(self, other: "Gradient") -> float:
        """Length of the difference, as a share of the other's length."""
        return float((self.values - other.values).norm() / other.values.norm())


@dataclass(frozen=True)
class Case:
    """A model and a padded batch on the device."""

    job: Job
    model: Any
    batch: Batch

    def gradient(self, batch: Batch, precision: Precision) -> Gradient:
        """Forward and backward."""
        self.model.zero_grad()
        learner = self.job.learner
        units = learner.units(batch).to(self.job.device.name)
        with matrix_products(precision):
            with autocast(self.job.device, precision):
                loss = learner.loss(self.model(**batch.inputs), batch, units)
            torch.autograd.backward(loss)
        parts = [p.grad.flatten() for p in self.model.parameters() if p.grad is not None]
        return Gradient(float(loss.detach()), torch.cat(parts).float())


def run(report: Report, inputs: Inputs) -> None:
    """Each way that there is, in float32 and bfloat16, of models that read and write."""
    for task, model in TRAININGS:
        with report.part(task):
            job = job_for(inputs, task, model, settings_for(inputs), few=True)
            with working_folder(inputs, job) as place:
                rows = read_rows(job, place)[0]
                set_seed(0)
                built = new_model(job).to(job.device.name).train()
                passes = Passes(job.learner, vocabulary_of_base(job, built), 1)
                examples = [rows[number] for number in range(min(ROWS, len(rows)))]
                case = Case(job, built, passes.collate(examples).to(job.device.name))
                _compare(report, task, case)
                chosen = packing_of(job, built, passes, rows)
                report.figure(f"{task}/taken", chosen.attention if chosen else "none")
                del built, case
                report.check(
                    f"{task}/exact_packing", right=chosen is not None, said="a way is found"
                )


def _compare(report: Report, task: str, case: Case) -> None:
    padded = {one: case.gradient(case.batch, one) for one in _precisions()}
    dense = exact_packing(case.model, case.batch, on_gpu=False)
    if dense is None:
        report.check(task, right=False, said="packed rows give other outputs than padded ones")
        return
    for way, packing in _ways(case, dense):
        if packing is None:
            report.skip(f"{task}/{way}", "it needs a GPU, and its library")
            continue
        for precision in _precisions():
            name = f"{task}/{way}/{precision}"
            if way == "flash" and precision == "float32":
                report.skip(name, "flash attention has no float32")
                continue
            with report.part(name):
                found = case.gradient(packing.pack(case.batch), precision)
                _judge(report, name, found, padded, precision)


def _precisions() -> tuple[Precision, ...]:
    return ("float32", "bfloat16")


def _ways(case: Case, dense: Packing) -> Iterator[tuple[str, Packing | None]]:
    """Each way by name, with the model set to it; None where it cannot be tried here."""
    before = case.model.config._attn_implementation  # noqa: SLF001  # it has no public reader
    names = dict(gpu_ways()) if case.job.device.name == "cuda" else {}
    for way in WAYS:
        if way == "dense":
            yield way, dense
        elif implementation := {str(k): v for k, v in names.items()}.get(way):
            case.model.set_attn_implementation(implementation)
            yield way, replace(dense, attention=way, implementation=implementation)
        else:
            yield way, None
    case.model.set_attn_implementation(before)


def _judge(
    report: Report,
    name: str,
    found: Gradient,
    padded: dict[Precision, Gradient],
    precision: Precision,
) -> None:
    expected = padded[precision]
    if precision == "float32":
        report.close(f"{name}/loss", found.loss, expected.loss, share=FLOAT32_SHARE)
        report.at_most(f"{name}/gradient", found.apart(expected), FLOAT32_SHARE)
        return
    report.close(f"{name}/loss", found.loss, expected.loss, share=BFLOAT16_LOSS_SHARE)
    own, exact = expected.apart(padded["float32"]), padded["float32"]
    far = found.apart(exact)
    report.check(
        f"{name}/gradient",
        right=far <= BFLOAT16_FACTOR * own + BFLOAT16_LOSS_SHARE,
        said=f"{far:.1e} from float32's, where the padded batch's is {own:.1e}",
    )
