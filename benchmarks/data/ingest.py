"""Ingest of a JSON Lines file against pyarrow reading the same file and doing nothing else.

And of a CSV file, as it is and with all of it read by Python's csv, to see what pyarrow is worth
there. Each runs in processes of its own, in turn. Ours pins, reads, hashes, splits, drops
duplicates, and puts Parquet into a real S3 server on this machine; the server's share of the
processor counts too.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

from benchmarks.corpus import write_csv, write_jsonl
from benchmarks.local_store import environment_of, peak_memory_mb, served_store
from infra.settings import load_settings
from infra.store import Artifact, ObjectStore

SIZE_BYTES = 1_000_000_000
CSV_BYTES = 250_000_000
SMALL_SHARE = 10
REPEATS = 3


def measure(size_bytes: int = SIZE_BYTES, repeats: int = REPEATS) -> dict[str, float]:
    """Seconds (the best of some runs), megabytes (the highest), and their ratios.

    Returns:
        ingest_vs_pyarrow: seconds of pyarrow over ours to read, hash, split, drop duplicates and
            write Parquet.
        ingest_and_store_vs_pyarrow: the same with the fingerprint of the file before it and the
            upload after it.
        ingest_memory_growth: peak memory over that with a tenth of the rows.
        csv_fast_path_vs_slow: seconds to read, hash, split, drop duplicates and write Parquet of a
            CSV file that Python's csv reads, over those of one that pyarrow reads where it can;
            medians.

    """
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as name, served_store() as settings:
        store = environment_of(settings)
        large, small = Path(name) / "large.jsonl", Path(name) / "small.jsonl"
        _say(f"writing {size_bytes / 1e6:,.0f} MB")
        rows = write_jsonl(large, size_bytes)
        write_jsonl(small, size_bytes // SMALL_SHARE)
        peer, ours = [], []
        for number in range(repeats):
            peer.append(_run("pyarrow", large, store))
            ours.append(_run("ingest", large, store))
            _say(f"run {number + 1} of {repeats}: pyarrow {peer[-1]}, ingest {ours[-1]}")
        of_small = _run("ingest", small, store)
        of_csv = _measure_csv(Path(name) / "rows.csv", repeats, store)
    assert all(run["rows"] == rows for run in (*peer, *ours))
    return _ratios(_best(peer), _best(ours), of_small) | of_csv


def _measure_csv(path: Path, repeats: int, store: Mapping[str, str]) -> dict[str, float]:
    """Both ways to read CSV, in turn; medians of seconds, the highest megabytes."""
    _say(f"writing {CSV_BYTES / 1e6:,.0f} MB of CSV")
    rows = write_csv(path, CSV_BYTES)
    fast, slow = [], []
    for number in range(repeats):
        fast.append(_run("ingest", path, store))
        slow.append(_run("ingest_by_csv", path, store))
        _say(f"run {number + 1} of {repeats}: CSV as it is {fast[-1]}, by Python's csv {slow[-1]}")
    assert all(run["rows"] == rows for run in (*fast, *slow))
    fast_s, slow_s = (statistics.median(map(_local_s, runs)) for runs in (fast, slow))
    return {
        "csv_fast_path_vs_slow": slow_s / fast_s,
        "csv_fast_path_seconds": fast_s,
        "csv_slow_seconds": slow_s,
        "csv_fast_path_memory_mb": max(run["memory_mb"] for run in fast),
        "csv_slow_memory_mb": max(run["memory_mb"] for run in slow),
    }


def _local_s(run: dict[str, float]) -> float:
    """Seconds without the fingerprint of the file before it and the upload after it."""
    return run["seconds"] - run["pin_s"] - run["upload_s"]


def _best(runs: list[dict[str, float]]) -> dict[str, float]:
    """The run that was disturbed least."""
    return min(runs, key=lambda run: run["seconds"]) | {
        "memory_mb": max(run["memory_mb"] for run in runs)
    }


def _ratios(
    peer: dict[str, float], ours: dict[str, float], of_small: dict[str, float]
) -> dict[str, float]:
    return {
        "ingest_vs_pyarrow": peer["seconds"] / _local_s(ours),
        "ingest_and_store_vs_pyarrow": peer["seconds"] / ours["seconds"],
        "ingest_seconds": ours["seconds"],
        "ingest_pin_seconds": ours["pin_s"],
        "ingest_upload_seconds": ours["upload_s"],
        "ingest_pyarrow_seconds": peer["seconds"],
        "ingest_memory_mb": ours["memory_mb"],
        "ingest_pyarrow_memory_mb": peer["memory_mb"],
        "ingest_memory_growth": ours["memory_mb"] / of_small["memory_mb"],
    }


def _say(text: str) -> None:
    print(f"ingest: {text}", file=sys.stderr, flush=True)


def _run(what: str, path: Path, environment: Mapping[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.data.ingest", what, str(path)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def read_by_pyarrow(path: Path) -> dict[str, float]:
    """The peer: the whole file into memory, with pyarrow's default threads."""
    import pyarrow.json as pj

    start = time.perf_counter()
    rows = pj.read_json(path).num_rows
    seconds = time.perf_counter() - start
    return {"rows": rows, "seconds": seconds, "memory_mb": peak_memory_mb()}


class _TimedStore(ObjectStore):
    """A store that counts the seconds of its uploads."""

    upload_s = 0.0

    def put_file(self, uri: str, path: Path) -> Artifact:
        start = time.perf_counter()
        artifact = super().put_file(uri, path)
        self.upload_s += time.perf_counter() - start
        return artifact


def ingest(path: Path) -> dict[str, float]:
    """Ours: from the file to a snapshot in the store."""
    from tasks.ingestion.snapshot import write_snapshot
    from tasks.ingestion.splits import SplitSettings
    from tasks.sources.pinning import pin
    from tasks.sources.settings import TableSource

    store = _TimedStore(load_settings())
    store.ensure_bucket(store.bucket)
    settings = TableSource.model_validate({"format": path.suffix[1:], "path": str(path)})
    start = time.perf_counter()
    source = pin("benchmark", settings, store)
    pinned = time.perf_counter()
    snapshot = write_snapshot(source, settings, SplitSettings(), "classification", store)
    end = time.perf_counter()
    return {
        "rows": snapshot.rows_read,
        "seconds": end - start,
        "pin_s": pinned - start,
        "upload_s": store.upload_s,
        "memory_mb": peak_memory_mb(),
    }


def ingest_by_csv(path: Path) -> dict[str, float]:
    """Ours, with every record of a CSV file read by Python's csv."""
    from tasks.sources.delimited import _DelimitedReader

    with patch.object(_DelimitedReader, "_read_fast", return_value=None):
        return ingest(path)


if __name__ == "__main__":
    ways = {"pyarrow": read_by_pyarrow, "ingest": ingest, "ingest_by_csv": ingest_by_csv}
    run = ways[sys.argv[1]]
    print(json.dumps(run(Path(sys.argv[2]))))
