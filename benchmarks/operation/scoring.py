"""Batches scored by the version in production, against transformers' pipeline, and side by side.

MiniLM with a random head and distinct real texts, as benchmarks.evaluation has them: paragraphs and
titles of BBC News, whose lengths have a heavy tail; those that come again have a number before
them. As a second figure its sentences (beyond some 40,000 two of one topic each), which are of more
even length. What is timed is a whole run of `score_objects`: reading a Parquet file, starting the
workers, loading the model, scoring, and writing the predictions to a real S3 server. Measured are:

- `score_vs_pipeline` (higher is better): rows a second of such a run, with the workers that it
  takes by default, over those of ``pipeline("text-classification", batch_size=32)`` on a sample of
  the same texts, loading left out and with the threads that torch takes by default. Both answer the
  sample alike to 1e-5. `score_vs_pipeline_sentences`: of the sentences, by fewer rows.
- `score_vs_pipeline_cpu`, `..._sentences_cpu`: the same by rows a second of processor time, which
  says less and is not moved by what else runs on the machine.
- `score_two_workers`: rows a second of two workers over those of one, a thread each.
- `score_memory_10x_vs_1x` (about 1): peak memory of the run, and `score_worker_memory_10x_vs_1x` of
  its largest worker, at ten times the rows; by a tiny model, since memory is a matter of the rows.

``python -m benchmarks.operation.scoring`` measures at full size (100,000 rows; 1,000,000 for
memory), with --memory the memory alone, and with --small to see that it runs. The last line is one
JSON object.
"""

import argparse
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.corpus import TOPICS, paragraphs, sentences, short_texts
from benchmarks.evaluation.scoring import BATCH_SIZE, MAX_LENGTH, TOLERANCE, save_model
from benchmarks.local_store import environment_of, peak_memory_mb, served_store
from infra.settings import Settings
from infra.store import ObjectStore, open_store
from infra.transformers_logs import quiet_transformers
from tasks.records.registry import Production
from tasks.records.scoring import ScoredObject
from tasks.serving.scoring import batches, worker_pool
from tasks.serving.scoring.inputs import find_inputs
from tasks.serving.scoring.settings import ScoringSettings

ROWS: Final = 100_000
SAMPLE: Final = 2_000
MEMORY_TIMES: Final = 10
WRITTEN_AT_ONCE: Final = 50_000


class _Records:
    """The record of what was scored, of one process: MLflow is not what is measured."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def read_record(self, _: str) -> "_Records":
        """What was set."""
        return self

    def write_once(self, _: str, key: str, value: str) -> str:
        """Set a value, unless it is set."""
        return self.values.setdefault(key, value)


@dataclass(frozen=True)
class Timed:
    """A run: seconds, those of all its processors, and the peak memory in MB of its processes."""

    seconds: float
    cpu_s: float
    memory_mb: float
    worker_memory_mb: float
    predictions: tuple[str, ...]


def measure(rows: int = ROWS, sample: int = SAMPLE, memory_rows: int = ROWS) -> dict[str, float]:
    """All figures.

    Args:
        rows: texts that are scored.
        sample: of them, that the pipeline scores, and that workers are compared by.
        memory_rows: rows of the smaller memory run; the larger has ten times as many.

    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-operation-") as name,
        quiet_transformers(),
        served_store() as settings,
    ):
        place = Path(name)
        model = save_model(place / "model")
        found = {
            kind: _compare(kind, model, settings, place, texts, sample)
            for kind, texts in (
                ("", numbered_paragraphs(rows)),
                ("_sentences", distinct_sentences(min(rows, 4 * sample))),
            )
        }
        workers = _two_workers(model, settings, place, numbered_paragraphs(min(rows, 4 * sample)))
        memory = _memory(place, settings, memory_rows)
    figures = {name: value for one in found.values() for name, value in one.items()}
    load = {"score_rows": rows, "score_load_average": os.getloadavg()[1]}
    return {**figures, "score_two_workers": workers, **memory, **load}


def measure_memory(rows: int = ROWS) -> dict[str, float]:
    """The figures of memory alone, at so many rows and at ten times as many."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-operation-") as name,
        quiet_transformers(),
        served_store() as settings,
    ):
        return _memory(Path(name), settings, rows)


def _compare(
    kind: str, model: Path, settings: Settings, place: Path, texts: list[str], sample: int
) -> dict[str, float]:
    """Rows a second of either way, and a second of processor time."""
    whole = _write(place / "whole.parquet", [texts])
    by_pipeline, theirs = _by_pipeline(model, texts[:sample])
    ours = _run(model, whole, settings, None)
    _check_equal(ours, theirs, settings)
    rate = len(texts) / ours.seconds
    return {
        f"score_vs_pipeline{kind}": rate / by_pipeline.rows_per_s,
        f"score_vs_pipeline{kind}_cpu": len(texts) / ours.cpu_s / by_pipeline.rows_per_cpu_s,
        f"score_rows_per_s{kind}": rate,
        f"score_pipeline_rows_per_s{kind}": by_pipeline.rows_per_s,
    }


def _two_workers(model: Path, settings: Settings, place: Path, texts: list[str]) -> float:
    """Seconds of one worker over those of two."""
    path = _write(place / "compared.parquet", [texts])
    alone, both = (_run(model, path, settings, workers, threads=1) for workers in (1, 2))
    return alone.seconds / both.seconds


@dataclass(frozen=True)
class Rates:
    """Of the pipeline."""

    rows_per_s: float
    rows_per_cpu_s: float


def numbered_paragraphs(count: int) -> list[str]:
    """So many paragraphs in an order by chance; one that comes again has a number before it."""
    found = [text for _, text in paragraphs()]
    random.Random(0).shuffle(found)  # noqa: S311 - a benchmark's draw, no secret
    size = len(found)
    return [found[n] if n < size else f"{n} {found[n % size]}" for n in range(count)]


def distinct_sentences(count: int) -> list[str]:
    """So many sentences, or pairs of them, in an order by chance, the same ones each time."""
    found = dict.fromkeys(text for _, text in sentences())
    for _, text in short_texts(sys.maxsize):
        if len(found) >= count:
            break
        found.setdefault(text)
    texts = list(found)
    random.Random(0).shuffle(texts)  # noqa: S311 - a benchmark's draw, no secret
    return texts[:count]


def _write(path: Path, parts: "Sequence[list[str]] | Iterator[list[str]]") -> Path:
    with pq.ParquetWriter(path, pa.schema([("text", pa.string())])) as writer:
        for texts in parts:
            writer.write_table(pa.table({"text": texts}), row_group_size=WRITTEN_AT_ONCE)
    return path


def _by_pipeline(folder: Path, texts: list[str]) -> tuple[Rates, list[dict[str, float]]]:
    from transformers import pipeline

    ask = pipeline("text-classification", model=str(folder), top_k=None)
    begin, cpu = time.perf_counter(), time.process_time()
    answers: list[Any] = ask(
        texts, batch_size=BATCH_SIZE, truncation=True, max_length=MAX_LENGTH,
        function_to_apply="softmax",
    )  # fmt: skip
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    _say(f"the pipeline: {len(texts):,} rows in {seconds:,.1f} s, load {os.getloadavg()[0]:.1f}")
    return Rates(len(texts) / seconds, len(texts) / cpu), [
        {one["label"]: one["score"] for one in answer} for answer in answers
    ]


def _run(
    model: Path, path: Path, settings: Settings, workers: int | None, threads: int | None = None
) -> Timed:
    """A scoring run in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, "--score", str(path), "--model", str(model)]
    command += ["--workers", str(workers)] if workers else []
    command += ["--threads", str(threads)] if threads else []
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment_of(settings)
    )
    timed = Timed(**json.loads(done.stdout.splitlines()[-1]))
    rows = pq.read_metadata(path).num_rows
    _say(
        f"{workers or 'default'} worker(s), {rows:,} rows: {timed.seconds:,.1f} s, "
        f"{rows / timed.seconds:,.0f} rows a second, {timed.memory_mb:,.0f} MB and "
        f"{timed.worker_memory_mb:,.0f} MB a worker, load {os.getloadavg()[0]:.1f}"
    )
    return timed


def _check_equal(run: Timed, theirs: list[dict[str, float]], settings: Settings) -> None:
    store = ObjectStore(settings)
    ours: list[dict[str, float]] = []
    for uri in run.predictions:
        if len(ours) < len(theirs):
            table = pq.read_table(io.BytesIO(store.get_bytes(uri)))
            ours += [dict(row) for row in table["probabilities"].to_pylist()]
    pairs = zip(theirs, islice(ours, len(theirs)), strict=True)
    apart = max(abs(own[label] - their[label]) for their, own in pairs for label in TOPICS)
    _say(f"the answers lie at most {apart:.2g} apart")
    if apart > TOLERANCE:
        raise SystemExit(f"the answers differ by {apart:.2g}; at most {TOLERANCE:g} may be")


def _memory(place: Path, settings: Settings, rows: int) -> dict[str, float]:
    model = _save_tiny(place / "tiny")
    peaks = []
    for count in (rows, MEMORY_TIMES * rows):
        path = _write(place / f"memory-{count}.parquet", _batches(count))
        peaks.append(_run(model, path, settings, 2))
        path.unlink()
    small, large = peaks
    return {
        "score_memory_10x_vs_1x": large.memory_mb / small.memory_mb,
        "score_worker_memory_10x_vs_1x": large.worker_memory_mb / small.worker_memory_mb,
        "score_memory_mb": large.memory_mb,
        "score_worker_memory_mb": large.worker_memory_mb,
        "score_memory_rows": MEMORY_TIMES * rows,
    }


def _batches(count: int) -> Iterator[list[str]]:
    """So many short texts, some at a time."""
    drawn = short_texts(count, seed=1)
    while texts := [text for _, text in islice(drawn, WRITTEN_AT_ONCE)]:
        yield texts


def _save_tiny(folder: Path) -> Path:
    """A BERT of one narrow layer with random weights, and MiniLM's tokenizer."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from benchmarks.evaluation.scoring import BASE_MODEL
    from infra.base_models import locate
    from tasks.task_types.tokenizers import load_tokenizer

    tokenizer = load_tokenizer(locate(BASE_MODEL, None))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=16, num_labels=len(TOPICS), id2label=dict(enumerate(TOPICS)),
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _score(path: Path, model: Path, workers: int | None, threads: int | None) -> Timed:
    """Score a file in this process, as the flow does once the version is downloaded."""
    name = f"bench-{os.getpid()}"
    production = Production(name, 1, "w" * 64, "m" * 64, "classification", TOPICS, MAX_LENGTH, 0, 0)
    chosen, store = ScoringSettings(workers=workers), open_store()
    with ExitStack() as patches:
        download = patch.object(batches, "download_model", lambda *_, **__: model)
        patches.enter_context(download)
        if threads and workers:  # as on a machine of so many cores
            cores = threads * workers
            patches.enter_context(patch.object(worker_pool, "available_cores", lambda: cores))
        begin, cpu = time.perf_counter(), time.process_time()
        run = batches.score_objects(
            production, find_inputs([str(path)], chosen, store), chosen, lambda *_: None,
            store=store, tracking=_Records(),  # type: ignore[arg-type]
        )  # fmt: skip
        seconds = time.perf_counter() - begin
    (scored,) = run.objects
    _check_rows(scored, path)
    worker_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    cpu_s = time.process_time() - cpu + _cpu_of_workers()
    uris = tuple(part.uri for part in scored.predictions)
    return Timed(seconds, cpu_s, peak_memory_mb(), worker_mb, uris)


def _cpu_of_workers() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _check_rows(scored: ScoredObject, path: Path) -> None:
    if scored.rows != pq.read_metadata(path).num_rows or scored.rows_put_aside:
        raise SystemExit(f"{scored.rows} rows are scored and {scored.rows_put_aside} put aside")


def _say(text: str) -> None:
    print(f"scoring: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure; with --score be one run, and tell what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="few rows, not to measure")
    parser.add_argument("--memory", action="store_true", help="the figures of memory alone")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--memory-rows", type=int, default=ROWS)
    parser.add_argument("--score", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--threads", type=int)
    chosen = parser.parse_args()
    if chosen.score:
        timed = _score(chosen.score, chosen.model, chosen.workers, chosen.threads)
        print(json.dumps(asdict(timed)))
    elif chosen.memory:
        print(json.dumps(measure_memory(chosen.memory_rows)))
    elif chosen.small:
        print(json.dumps(measure(rows=256, sample=64, memory_rows=128)))
    else:
        print(json.dumps(measure(rows=chosen.rows, memory_rows=chosen.memory_rows)))


if __name__ == "__main__":
    main()
