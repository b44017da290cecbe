"""Runs every benchmark of the data stages; the last line is one JSON object of the figures."""

from benchmarks.data import ingest, near_duplicates, validation
from benchmarks.figures import print_figures

ASKED = (
    "validate_vs_gx",
    "memory_10m_vs_1m",
    "near_duplicate_minutes_1m",
    "near_duplicate_recall",
    "ingest_vs_pyarrow",
)

if __name__ == "__main__":
    print_figures(ASKED, (ingest, validation, near_duplicates))
