"""What the methods for a smaller, cheaper or safer model cost and save.

``python -m benchmarks.methods`` takes an hour and a half; the last line is one JSON object, the
asked figures first:

- `int8_speedup`, `onnx_vs_torch`: rows a second of the compressed model over those of the same
  model as torch runs it, one document at a time; `int8_loss_high`: the upper end of the interval of
  what eight bits cost in macro-F1.
- `distilled_speedup`: of a student with half the layers of its teacher; `distilled_gain_low`: the
  lower end of the interval of its gain in macro-F1 over the teacher, below 0 where it may be worse.
- `teacher_cache_hits`: share of the teacher's answers that a second training finds.
- `dp_overhead`: processor time of private steps over that of plain ones.
- `sweep_trials_per_hour`, `sweep_vs_plain_optuna`: trials of a sweep, and the ratio to those of
  Optuna with transformers' Trainer.
"""

import argparse

from benchmarks.figures import print_figures
from benchmarks.operation import sweep
from benchmarks.training import compression, distillation, private

ASKED = (
    "int8_speedup", "int8_loss_high", "onnx_vs_torch", "distilled_speedup", "distilled_gain_low",
    "teacher_cache_hits", "dp_overhead", "sweep_trials_per_hour", "sweep_vs_plain_optuna",
)  # fmt: skip


def main() -> None:
    """Measure, and print the asked figures first."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print_figures(ASKED, (compression, distillation, private, sweep))


if __name__ == "__main__":
    main()
