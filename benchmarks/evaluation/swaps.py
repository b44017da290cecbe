"""Counterfactual passes over the test rows of BBC News, against scoring these rows as they are.

The default swap lists and budget, MiniLM with a random head, a real object store. What is measured:

- `passes_vs_evaluation` (lower is better): seconds of the stage that asks the model about the test
  rows with other people in them, all of it, over those of scoring the test rows.
"""

import hashlib
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.corpus import TOPICS, documents
from benchmarks.evaluation.scoring import save_model
from benchmarks.local_store import served_store
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.fairness.counterfactual_scoring import add_counterfactuals
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.records.data import DataReport, Leakage
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.training import Weights
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.verdicts import Verdict

TASK_TYPE: Final = "classification"
TEST_SHARE: Final = 0.2
# As the line bbc-news has it.
MAX_LENGTH: Final = 128


def measure(rows: int | None = None) -> dict[str, float]:
    """The ratio, and what was scored.

    Args:
        rows: test documents; None for a fifth of all.

    """
    found = documents()
    random.Random(0).shuffle(found)  # noqa: S311 - a benchmark's draw, no secret
    chosen = found[: rows or int(TEST_SHARE * len(found))]
    with (
        served_store() as settings,
        tempfile.TemporaryDirectory(prefix="bench-swaps-") as name,
        quiet_transformers(),
    ):
        store, folder = ObjectStore(settings), Path(name)
        model = save_model(folder / "model")
        table = table_of(chosen)
        begin = time.perf_counter()
        answers = examiner_of(TASK_TYPE, TOPICS, TokenLimits(MAX_LENGTH)).predict(model, table)
        plain_s = time.perf_counter() - begin
        records = records_of(store, folder, model, table, answers)
        begin = time.perf_counter()
        asked = add_counterfactuals(*records, TASK_TYPE, CounterfactualSettings(), store=store)
        passes_s = time.perf_counter() - begin
    pairs = sum(family.pairs for family in asked.counterfactuals)
    print(
        f"swaps: {len(chosen):,} documents in {plain_s:.1f} s, {pairs:,} changed texts that differ "
        f"before the cut in {passes_s:.1f} s",
        file=sys.stderr,
    )
    return {
        "passes_vs_evaluation": passes_s / plain_s,
        "evaluation_rows": float(len(chosen)),
        "counterfactual_pairs": float(pairs),
    }


def table_of(chosen: list[tuple[str, str]]) -> pa.Table:
    """Test rows of topics and texts."""
    return pa.table(
        {
            "row_id": [hashlib.sha256(text.encode()).hexdigest() for _, text in chosen],
            "text": [text for _, text in chosen],
            "label": [topic for topic, _ in chosen],
            "split": ["test"] * len(chosen),
        }
    )


def records_of(
    store: ObjectStore, folder: Path, model: Path, table: pa.Table, answers: pa.Table
) -> tuple[Fairness, Scores, Weights, DataReport]:
    """What the earlier stages leave, as records with their artifacts in the store."""
    scored = {name: answers[name] for name in answers.column_names} | {"row_id": table["row_id"]}
    for name, one in (("clean", table), ("scores", pa.table(scored))):
        pq.write_table(one, folder / f"{name}.parquet")
    clean, score_file = (
        store.put_file(store.uri("bench", f"{name}.parquet"), folder / f"{name}.parquet")
        for name in ("clean", "scores")
    )
    weights = Weights(
        artifact=store.put_folder(store.uri("bench", "model"), model), labels=TOPICS,
        max_length=MAX_LENGTH, epochs=(), best_epoch=1, parameters=1, precision="float32",
        run_id="", device="cpu", training_s=0, tokens_per_s=0, resumed_from_step=0,
    )  # fmt: skip
    data = DataReport(
        clean=clean, quarantine=clean, docs_uri="", task_type=TASK_TYPE, labels=TOPICS,
        group_columns=(), rows_by_split={"test": table.num_rows}, rows_by_label={},
        rows_quarantined=0, quarantined_by_reason={}, lengths={}, personal_data=(),
        leakage=Leakage(0, 0, 0, 0, 0, {}, 0, 0.8, 13, ()), checks=(), verdict=Verdict.PASS,
    )  # fmt: skip
    scores = Scores(
        artifact=score_file, labels=TOPICS, rows=table.num_rows, estimates=(), confusion=(),
        calibration=(), champion_version=None, champion_note="",
    )  # fmt: skip
    return Fairness((), (), 30), scores, weights, data
