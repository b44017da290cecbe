"""torch.compile off and on: the same loss curve, and what it costs and brings."""

from typing import Final

from torch._dynamo.utils import counters

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.trainings import apart, choice_of, job_for, settings_for, time_ours, train
from infra.device import pick_device

# Compiled operators are fused, and so round otherwise; bfloat16 adds its own.
TOLERANCE: Final = {"cpu": 1e-3, "cuda": 0.05}


def run(report: Report, inputs: Inputs) -> None:
    """Train the same rows both ways, then time both."""
    device = pick_device().name
    job = job_for(inputs, "classification", "minilm", settings_for(inputs), few=True)
    plain, compiled = (
        train(inputs, job, choice_of(compiled=compiled)) for compiled in (False, True)
    )
    graphs = int(counters["stats"]["unique_graphs"])
    report.check("compiled", right=graphs > 0, said=f"{graphs} graphs were captured")
    report.at_most("loss curve", apart(plain, compiled), TOLERANCE[device])
    report.figure("first_step_off", plain.first_step_s, "s")
    report.figure("first_step_on", compiled.first_step_s, "s")
    if device == "cpu":
        report.skip("speed", "compiling is for GPUs: `auto` tries it nowhere else")
        return
    for word, on in (("off", False), ("on", True)):
        speed = time_ours(inputs, job, choice_of(compiled=on))
        report.figure(f"tokens_per_s_{word}", speed.tokens_per_s, "tokens/s")
