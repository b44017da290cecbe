"""Runs every benchmark of probes; the last line is one JSON object."""

import argparse

from benchmarks.figures import print_figures
from benchmarks.probes import abstention, false_alarms, memory, robustness, stereotypes

ASKED = (
    "probe_pass_cost", "crows_vs_reference", "conformal_coverage", "lira_auc_planted",
    "canary_exposure_planted", "clean_false_alarms",
)  # fmt: skip
SMALL = {
    "robustness": {"rows": 60},
    "stereotypes": {"pairs": 10},
    "abstention": {"draws": 20},
    "memory": {"rows": 60, "epochs": 1},
    "false_alarms": {"lines": 3, "seeds": 1},
}


def main() -> None:
    """Measure, and print the asked figures first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--small", action="store_true", help="few rows: to see that it runs, not to measure"
    )
    small = parser.parse_args().small
    measured = (robustness, stereotypes, abstention, memory, false_alarms)
    print_figures(ASKED, measured, SMALL if small else None)


if __name__ == "__main__":
    main()
