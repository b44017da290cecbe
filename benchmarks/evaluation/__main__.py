"""Runs every benchmark of evaluation and fairness; the last line is one JSON object."""

import argparse
import json
import platform
import sys
import time

from benchmarks.evaluation import intervals, scoring, swaps

ASKED = (
    "bootstrap_vs_fairlearn",
    "bootstrap_1m_s",
    "score_vs_pipeline",
    "passes_vs_evaluation",
)


def main() -> None:
    """Measure, and print the asked figures first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--small", action="store_true", help="few rows: to see that it runs, not to measure"
    )
    small = parser.parse_args().small
    started = time.perf_counter()
    sizes: dict[str, dict[str, int]] = {"intervals": {}, "scoring": {}, "swaps": {}}
    if small:
        sizes = {
            "intervals": {"rows": 20_000, "check_rows": 4_000, "check_repeats": 40},
            "scoring": {"rows": 64, "memory_rows": 16},
            "swaps": {"rows": 60},
        }
    figures: dict[str, float] = {}
    for module in (intervals, scoring, swaps):
        print(f"{module.__name__}: {(module.__doc__ or '').splitlines()[0]}", file=sys.stderr)
        figures |= module.measure(**sizes[module.__name__.rsplit(".", 1)[1]])
    print(
        f"{platform.machine()}, Python {platform.python_version()}, "
        f"{time.perf_counter() - started:.0f} s in all",
        file=sys.stderr,
    )
    first = {name: figures[name] for name in ASKED}
    print(json.dumps(first | figures))


if __name__ == "__main__":
    main()
