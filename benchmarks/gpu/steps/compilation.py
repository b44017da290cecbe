"""torch.compile off and on: the same loss curve, and what the first step costs."""

from typing import Final

from torch._dynamo.utils import counters

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.trainings import apart_in_the_mean, choice_of, job_for, settings_for, train
from infra.device import pick_device

# Compiled operators are fused, and so round otherwise; bfloat16 adds its own.
TOLERANCE: Final = {"cpu": 1e-3, "cuda": 0.05}


def run(report: Report, inputs: Inputs) -> None:
    """Train the same rows both ways."""
    device = pick_device().name
    job = job_for(inputs, "classification", "minilm", settings_for(inputs), few=True)
    plain, compiled = (
        train(inputs, job, choice_of(compiled=compiled)) for compiled in (False, True)
    )
    graphs = int(counters["stats"]["unique_graphs"])
    report.check("compiled", right=graphs > 0, said=f"{graphs} graphs were captured")
    report.at_most("loss curve", apart_in_the_mean(plain, compiled), TOLERANCE[device])
    report.figure("first_step_off", plain.first_step_s, "s")
    report.figure("first_step_on", compiled.first_step_s, "s")
