"""Training in each number format: the same loss curve, as far as the format goes."""

from typing import Final

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.trainings import (
    apart_in_the_mean,
    choice_of,
    fall_of,
    job_for,
    settings_for,
    train,
)
from infra.device import Precision, check_device, pick_device
from infra.errors import SettingsError

# Mean distance from the curve of float32, as a share of the first loss. Both formats round a
# factor of a product: TF32 to 10 bits behind the point, bfloat16 to 7.
TOLERANCES: Final[dict[Precision, float]] = {"tf32": 0.02, "bfloat16": 0.05}


def run(report: Report, inputs: Inputs) -> None:
    """Train the same rows in all formats."""
    settings = settings_for(inputs, epochs=inputs.size.epochs)
    job = job_for(inputs, "classification", "minilm", settings, few=True)
    whole = train(inputs, job, choice_of("float32"))
    first, last = fall_of(whole)
    report.figure("float32/first_loss", first)
    report.figure("float32/last_loss", last)
    report.figure("float32/tokens_per_s", whole.tokens_per_s, "tokens/s")
    report.check(
        "float32", right=last < first, said=f"the loss falls from {first:.3f} to {last:.3f}"
    )
    for precision, tolerance in TOLERANCES.items():
        with report.part(precision):
            try:
                check_device(pick_device(), precision, 1)
            except SettingsError:
                report.skip(precision, "it needs an NVIDIA GPU of compute capability 8 or more")
                continue
            found = train(inputs, job, choice_of(precision))
            report.figure(f"{precision}/tokens_per_s", found.tokens_per_s, "tokens/s")
            report.at_most(precision, apart_in_the_mean(whole, found), tolerance)
