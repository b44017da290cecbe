"""What `auto` measures on this device, and what it takes."""

from typing import Final

from benchmarks.gpu.findings import Report
from benchmarks.gpu.inputs import Inputs
from benchmarks.gpu.shapes import ModelName
from benchmarks.gpu.trainings import job_for, settings_for, working_folder
from tasks.training.autotune import MARGIN, best_of, choose, variants_for

# Compiling takes a while for each variant: it is left open once. Flex attention drops no weights:
# rows are packed by it where there is no dropout.
TRAININGS: Final[tuple[tuple[str, ModelName, str, float | None], ...]] = (
    ("classification", "minilm", "auto", None),
    ("masked_lm", "minilm", "off", 0.0),
)


def run(report: Report, inputs: Inputs) -> None:
    """Let each training choose, and hold the choice against its own measurements."""
    for task, model, compiling, dropout in TRAININGS:
        with report.part(task):
            job = job_for(
                inputs, task, model, settings_for(inputs, compile=compiling, dropout=dropout)
            )
            variants = variants_for(job)
            with working_folder(inputs, job) as place:
                taken = choose(job, place)
            for name, rate in taken.tokens_per_s.items():
                report.figure(f"{task}/{name}", rate, "tokens/s")
            report.figure(f"{task}/taken", " ".join(taken.as_words().values()))
            if len(variants) == 1:
                report.skip(task, f"nothing is open on this device but {variants[0].name}")
                continue
            best = best_of(variants, taken.tokens_per_s)
            found = (taken.batching, taken.precision, taken.compiled)
            report.check(
                task,
                right=found == (best.batching, best.precision, best.compiled)
                and all(rate > 0 for rate in taken.tokens_per_s.values()),
                said=f"{best.name} of {len(variants)} that ran; faster by {MARGIN} than the usual "
                "one, or the usual one",
            )
