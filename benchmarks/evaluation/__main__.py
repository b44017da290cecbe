"""Runs every benchmark of evaluation and fairness; the last line is one JSON object."""

import argparse

from benchmarks.evaluation import batches, explaining, intervals, scoring, swaps
from benchmarks.figures import print_figures

ASKED = (
    "bootstrap_vs_fairlearn",
    "bootstrap_1m_s",
    "score_vs_pipeline",
    "passes_vs_evaluation",
    "explain_vs_captum",
)

SMALL = {
    "intervals": {"rows": 20_000, "check_rows": 4_000, "check_repeats": 40},
    "scoring": {"rows": 64, "memory_rows": 16},
    "batches": {"requests": 2},
    "swaps": {"rows": 60},
    "explaining": {"rows": 4, "training_rows": 32},
}


def main() -> None:
    """Measure, and print the asked figures first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--small", action="store_true", help="few rows: to see that it runs, not to measure"
    )
    small = parser.parse_args().small
    print_figures(ASKED, (intervals, scoring, batches, swaps, explaining), SMALL if small else None)


if __name__ == "__main__":
    main()
