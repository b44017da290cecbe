"""Tokenization against the tokenizers library's own encode_batch, and its memory as rows grow."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.corpus import TOPICS, short_texts
from benchmarks.local_store import environment_of, peak_memory_mb, served_store
from benchmarks.training.sentences import BASE_MODEL, LIMITS
from infra.base_models import fingerprint, locate
from infra.store import Artifact, open_store
from infra.transformers_logs import quiet_transformers
from tasks.records.data import DataReport, Leakage
from tasks.records.training import BaseModel
from tasks.task_types.tokenizers import load_tokenizer
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.verdicts import Verdict

FEW, MANY = 100_000, 1_000_000
REPEATS: Final = 3
SPLITS: Final = ("train", "train", "train", "validation", "test")


def measure(few: int = FEW, many: int = MANY) -> dict[str, float]:
    """The ratios, and what they come from.

    Returns:
        tokenize_vs_encode_batch: rows a second of the whole stage, from the clean Parquet file to
            the Arrow files in the store, over those of encode_batch on a list in memory.
        tokenize_memory_1m_vs_100k: peak memory of the stage in a process of its own.

    """
    with tempfile.TemporaryDirectory(prefix="bench-tokens-") as name, served_store() as settings:
        paths = {rows: Path(name) / f"{rows}.parquet" for rows in (few, many)}
        for rows, path in paths.items():
            _write(path, rows)
        environment = dict(environment_of(settings))
        stage, peer = [], []
        for _ in range(REPEATS):
            stage.append(_run("stage", paths[few], environment))
            peer.append(_run("encode_batch", paths[few], environment))
        large = _run("stage", paths[many], environment)
    ours, theirs = (min(run["seconds"] for run in runs) for runs in (stage, peer))
    small_mb = max(run["memory_mb"] for run in stage)
    return {
        "tokenize_vs_encode_batch": theirs / ours,
        "tokenize_memory_1m_vs_100k": large["memory_mb"] / small_mb,
        "tokenize_seconds": ours,
        "encode_batch_seconds": theirs,
        "tokenize_seconds_1m": large["seconds"],
        "tokenize_memory_mb_100k": small_mb,
        "tokenize_memory_mb_1m": large["memory_mb"],
    }


def _write(path: Path, rows: int) -> None:
    """Clean rows as validation leaves them, some thousand at a time."""
    schema = pa.schema([(name, pa.string()) for name in ("row_id", "text", "label", "split")])
    with pq.ParquetWriter(path, schema) as writer:
        texts = short_texts(rows)
        for start in range(0, rows, 65_536):
            part = [next(texts) for _ in range(min(65_536, rows - start))]
            columns = {
                "row_id": [f"{start + number:064x}" for number in range(len(part))],
                "text": [text for _, text in part],
                "label": [topic for topic, _ in part],
                "split": [SPLITS[number % len(SPLITS)] for number in range(len(part))],
            }
            writer.write_table(pa.table(columns, schema))


def _run(what: str, path: Path, environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.training.tokenizing", what, str(path)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"tokenizing: {what} of {path.stem}: {found}", file=sys.stderr, flush=True)
    return found


def run_stage(path: Path) -> dict[str, float]:
    """Ours: the stage's own function, from the store and back."""
    store = open_store()
    clean = store.put_file(store.uri("clean", path.name), path)
    found = fingerprint(locate(BASE_MODEL, None))
    base = BaseModel(BASE_MODEL, None, found.sha256, found.tokenizer_sha256)
    load_tokenizer(locate(BASE_MODEL, None))  # imports, which the peer's clock leaves out too
    begin = time.perf_counter()
    tokens = tokenize_splits(
        store, _report(clean), base, "classification",
        TokenizationSettings(max_length=LIMITS.max_length),
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "rows": sum(tokens.rows_by_split.values())}


def run_encode_batch(path: Path) -> dict[str, float]:
    """The peer: all texts in a list, and the library's own call."""
    tokenizer = load_tokenizer(locate(BASE_MODEL, None)).backend_tokenizer
    tokenizer.enable_truncation(LIMITS.max_length)
    texts = pq.read_table(path, columns=["text"])["text"].to_pylist()
    begin = time.perf_counter()
    encodings = tokenizer.encode_batch(texts)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "rows": len(encodings)}


def _report(clean: Artifact) -> DataReport:
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", task_type="classification", labels=TOPICS,
        group_columns=(), rows_by_split={}, rows_by_label={}, rows_quarantined=0,
        quarantined_by_reason={}, lengths={}, personal_data=(),
        leakage=Leakage(0, 0, 0, 0, 0, {}, 0, 0.8, 13, ()), checks=(), verdict=Verdict.PASS,
    )  # fmt: skip


def main() -> None:
    """One run, as `measure` starts it."""
    run = {"stage": run_stage, "encode_batch": run_encode_batch}[sys.argv[1]]
    with quiet_transformers():
        figures = run(Path(sys.argv[2]))
    print(json.dumps(figures | {"memory_mb": peak_memory_mb()}))


if __name__ == "__main__":
    main()
