"""Validation with quarantine against bare Great Expectations, and its memory as rows grow.

Each run is a process of its own, so that its peak memory is its own. What is measured:

- `validate_vs_gx` (lower is better): seconds that `validate_snapshot` takes for 1,000,000 short
  texts, over the seconds that Great Expectations takes to judge one pandas frame of the same rows
  by the same expectations with complete results. On our side it counts all that a run does: to
  fetch the snapshot from a real object store, to read, judge and part its rows, to write clean
  rows, quarantine and Data Docs, and to put them into the store. On the other side reading the
  rows and deriving the columns that the rules read is not counted, only the judging.
- `memory_10m_vs_1m` (lower is better): peak memory of our process at 10,000,000 rows over that at
  1,000,000.

The contract: the rules that always hold (a text, a label, no conflict, one split, no twin), labels,
lengths, scripts and forbidden characters. One row in a hundred breaks a rule. Off: near-duplicates
and the search for personal data in texts. On, told apart and not counted in the ratio: the search
for equal texts; it holds its memory in our process all the same.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any, Final
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.corpus import TOPICS, short_texts
from benchmarks.local_store import served_store
from infra.store import Artifact, ObjectStore, sha256_of_file
from tasks.records.data import Snapshot
from tasks.validation.contract.settings import ContractSettings

_MILLION: Final = 1_000_000
_ROW_GROUP_ROWS: Final = 65_536
_RUNS: Final = 2
_SPLITS: Final = (*["train"] * 6, "validation", *["test"] * 3)
_CONTRACT: Final = {
    "labels": TOPICS,
    "max_text_length": 820,
    "scripts": ("Latin",),
    "max_quarantine_share": 0.05,
}
_COLUMNS: Final = ("row_id", "text", "label", "split", "cluster")
_SCHEMA: Final = pa.schema([(name, pa.string()) for name in _COLUMNS])


def measure() -> dict[str, float]:
    """Seconds, MB and their ratios; takes some minutes."""
    with tempfile.TemporaryDirectory(prefix="assayline-bench-") as name:
        folder = Path(name)
        small, large = folder / "1m.parquet", folder / "10m.parquet"
        _write_rows(small)
        bare, ours = [], []
        for _ in range(_RUNS):  # one after the other, so that a busy machine slows both
            bare.append(_run("bare", small))
            ours.append(_run("ours", small))
        _write_tenfold(large, small)
        many = _run("ours", large)
    best = {name: min(run[name] for run in ours) for name in ours[0]}
    gx = {name: min(run[name] for run in bare) for name in bare[0]}
    return {
        "validate_vs_gx": best["seconds"] / gx["seconds"],
        "memory_10m_vs_1m": many["peak_mb"] / best["peak_mb"],
        "validate_vs_gx_cpu": best["cpu_s"] / gx["cpu_s"],
        **{f"validate_{name}": value for name, value in best.items()},
        **{f"validate_10m_{name}": value for name, value in many.items()},
        **{f"gx_{name}": value for name, value in gx.items()},
    }


def _run(role: str, rows: Path) -> dict[str, float]:
    """One run in a process of its own."""
    print(f"{role}: {rows.name} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks.data.validation", role, str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seen: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{role}: {rows.name}: {seen}", file=sys.stderr, flush=True)
    return seen


def _write_rows(path: Path) -> None:
    """A snapshot of a million short texts in which one row of a hundred breaks a rule."""
    texts = short_texts(_MILLION)
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for start in range(0, _MILLION, _ROW_GROUP_ROWS):
            rows = [
                _row(number, topic, text)
                for number, (topic, text) in enumerate(islice(texts, _ROW_GROUP_ROWS), start)
            ]
            cells = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            row_ids = _row_ids(start, len(rows), _MILLION)
            writer.write_table(pa.table([row_ids, *cells], schema=_SCHEMA))


def _write_tenfold(path: Path, small: Path) -> None:
    """The same texts ten times, each time with another number before them; streamed."""
    start, file = 0, pq.ParquetFile(small)
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for time_ in range(10):
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                texts = pc.binary_join_element_wise(str(time_), rows["text"], "")
                row_ids = _row_ids(start, rows.num_rows, 10 * _MILLION)
                rows = rows.set_column(0, "row_id", row_ids).set_column(1, "text", texts)
                writer.write_table(rows)
                start += rows.num_rows


def _row_ids(start: int, count: int, of: int) -> pa.Array:
    """In order, and spread like digests."""
    step = 2**256 // of
    return pa.array([f"{number * step:064x}" for number in range(start, start + count)])


def _row(number: int, topic: str, text: str) -> tuple[str | None, ...]:
    """The number makes the text differ from all others; every hundredth row has a fault."""
    faults: dict[int, tuple[str | None, str | None]] = {
        17: (f"{number} {text}", "Bussiness"),
        117: (f"{number} {text}", None),
        217: (f"{number} {text}" + " more" * 200, topic),
        317: (f"{number} {text} \ufffd", topic),
        417: (f"{number} {text} Ψ", topic),
    }
    said, label = faults.get(number % 500, (f"{number} {text}", topic))
    return said, label, _SPLITS[number * 7 % 10], None


def _judge_ours(path: Path) -> dict[str, float]:
    """Validate a snapshot as a run does, and tell the time of the search for leaks apart."""
    from tasks.validation import validate as validation
    from tasks.validation.leakage.finding import find_leaks
    from tasks.validation.leakage.settings import LeakageSettings
    from tasks.validation.personal_data.protection import Protected, Protector
    from tasks.validation.personal_data.settings import PrivacySettings

    def search_nothing(_: object, rows: pa.Table) -> Protected:
        return Protected(rows, [None] * rows.num_rows)

    leaks_s = np.zeros(2)

    def time_leaks(*arguments: Any) -> Any:
        started = _now()
        found = find_leaks(*arguments)
        leaks_s[:] = _now() - started
        return found

    with (
        served_store() as settings,
        mock.patch.object(Protector, "protect", search_nothing),
        mock.patch.object(validation, "find_leaks", time_leaks),
    ):
        store = ObjectStore(settings)
        snapshot = _put_snapshot(path, store)
        started = _now()
        report = validation.validate_snapshot(
            snapshot,
            None,
            ContractSettings.model_validate(_CONTRACT),
            LeakageSettings(near_duplicates=False),
            PrivacySettings(),
            store,
        )
        spent = _now() - started - leaks_s
    return {
        **_told(spent),
        "leakage_s": float(leaks_s[0]),
        "rows_quarantined": report.rows_quarantined,
    }


def _now() -> NDArray[np.float64]:
    """Seconds on the wall, and seconds of processor time of this process."""
    return np.array([time.perf_counter(), time.process_time()])


def _told(spent: NDArray[np.float64]) -> dict[str, float]:
    return {"seconds": float(spent[0]), "cpu_s": float(spent[1])}


def _put_snapshot(path: Path, store: ObjectStore) -> Snapshot:
    rows = pq.read_metadata(path)
    folder, start = path.parent, 0
    origins = pa.schema([("file", pa.string()), ("row", pa.int64())])
    with pq.ParquetWriter(folder / "origins.parquet", origins, compression="zstd") as writer:
        for group in range(rows.num_row_groups):
            stop = start + rows.row_group(group).num_rows
            numbers = pa.array(range(start + 1, stop + 1))
            files = pa.array(["rows.jsonl"] * len(numbers))
            writer.write_table(pa.table({"file": files, "row": numbers}, origins))
            start = stop
    broken = pa.schema(
        [("row_id", pa.string()), *origins, ("reason", pa.string()), ("raw", pa.string())]
    )
    pq.write_table(broken.empty_table(), folder / "broken.parquet")
    paths = (path, folder / "broken.parquet", folder / "origins.parquet")
    artifact, no_rows, places = (_put(one, store) for one in paths)
    return Snapshot(
        artifact=artifact, broken=no_rows, task_type="classification", rows_read=rows.num_rows,
        broken_by_reason={}, rows_readmitted=0, rows_superseded=0, duplicates_dropped=0,
        rows_sampled_out=0, rows_by_split={}, group_columns=(), origins=places,
    )  # fmt: skip


def _put(path: Path, store: ObjectStore) -> Artifact:
    return store.put_file(store.uri("snapshots", f"{sha256_of_file(path)}.parquet"), path)


def _judge_bare(path: Path) -> dict[str, float]:
    """Great Expectations alone, on one frame of all rows, with complete results."""
    import great_expectations as gx

    from tasks.task_types.row_shapes import shape_of
    from tasks.validation.contract.checking import define_batches
    from tasks.validation.contract.frames import FrameMaker
    from tasks.validation.contract.partitioning import columns_read
    from tasks.validation.contract.suites import row_rules

    contract, shape = ContractSettings.model_validate(_CONTRACT), shape_of("classification")
    rules = row_rules(contract, shape, TOPICS, ())
    rows = pq.read_table(path)
    marked = ("equal_text", "near_duplicate", "overlap", "label_conflict", "personal_data")
    marks = {name: [None] * rows.num_rows for name in marked}
    frame = FrameMaker(shape, TOPICS, ()).frame(rows, 0, marks)[columns_read(rules)]
    suite = gx.ExpectationSuite("rows", expectations=[rule.expectation for rule in rules])
    started = _now()
    batch = define_batches().get_batch({"dataframe": frame})
    result = batch.validate(suite, result_format="COMPLETE")
    spent = _now() - started
    failing = {place for one in result.results for place in one.result["unexpected_index_list"]}
    return {**_told(spent), "rows_quarantined": len(failing)}


def main() -> None:
    """One run, as `measure` starts it; prints its numbers as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("ours", "bare", "all"))
    parser.add_argument("rows", type=Path, nargs="?")
    chosen = parser.parse_args()
    if chosen.role == "all":
        print(json.dumps(measure()))
        return
    seen = (_judge_ours if chosen.role == "ours" else _judge_bare)(chosen.rows)
    # Linux tells kibibytes.
    seen["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
