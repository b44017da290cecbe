"""Runs every benchmark of the data stages; the last line is one JSON object of the figures."""

import json
import platform
import sys
import time

from benchmarks.data import ingest, near_duplicates, validation

ASKED = (
    "validate_vs_gx",
    "memory_10m_vs_1m",
    "near_duplicate_minutes_1m",
    "near_duplicate_recall",
    "ingest_vs_pyarrow",
)


def main() -> None:
    """Measure, and print the asked figures first."""
    figures: dict[str, float] = {}
    started = time.perf_counter()
    for module in (ingest, validation, near_duplicates):
        print(f"{module.__name__}: {(module.__doc__ or '').splitlines()[0]}", file=sys.stderr)
        figures |= module.measure()
    print(
        f"{platform.machine()}, Python {platform.python_version()}, "
        f"{time.perf_counter() - started:.0f} s in all",
        file=sys.stderr,
    )
    first = {name: figures[name] for name in ASKED}
    print(json.dumps(first | figures))


if __name__ == "__main__":
    main()
