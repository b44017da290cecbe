"""Runs every benchmark of operation; the last line is one JSON object."""

import argparse

from benchmarks.figures import print_figures
from benchmarks.operation import serving

ASKED = ("serve_vs_mlflow", "serve_p99_ms", "serve_dropped")

SMALL = {"serving": {"requests": 96, "rounds": 1, "moves": 2}}


def main() -> None:
    """Measure, and print the asked figures first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--small", action="store_true", help="few requests: to see that it runs, not to measure"
    )
    small = parser.parse_args().small
    print_figures(ASKED, (serving,), SMALL if small else None)


if __name__ == "__main__":
    main()
