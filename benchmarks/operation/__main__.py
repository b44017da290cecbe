"""Runs every benchmark of operation; the last line is one JSON object."""

import argparse

from benchmarks.figures import print_figures
from benchmarks.operation import monitoring, orchestration, scoring, serving, transfers

ASKED = (
    "serve_vs_mlflow", "serve_p99_ms", "serve_dropped", "score_vs_pipeline", "score_two_workers",
    "orchestration_share", "orchestration_extra_s", "noop_s", "promotion_s", "rollback_s",
    "store_up_share", "store_down_share", "store_unchanged_share", "monitor_1m_rows_s",
)  # fmt: skip

SMALL = {
    "serving": {"requests": 96, "rounds": 1, "moves": 2},
    "scoring": {"rows": 2_000, "sample": 500, "memory_rows": 2_000},
    "orchestration": {"noops": 1, "rows": 400},
    "transfers": {"size_mb": 40, "rounds": 1},
    "monitoring": {"rows": 20_000, "few": 5_000},
}


def main() -> None:
    """Measure, and print the asked figures first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--small", action="store_true", help="few requests: to see that it runs, not to measure"
    )
    small = parser.parse_args().small
    print_figures(
        ASKED, (serving, scoring, orchestration, transfers, monitoring), SMALL if small else None
    )


if __name__ == "__main__":
    main()
