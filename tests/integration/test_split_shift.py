"""Held-out rows against training rows, over a real store and a real tiny model."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.base_models import fingerprint
from infra.errors import DataError
from infra.store import Artifact, ObjectStore
from tasks.drift.settings import DriftSettings
from tasks.drift.split_shift import compare_splits
from tasks.records.data import DataReport, Leakage
from tasks.records.training import BaseModel
from tasks.verdicts import Verdict

# What some hundred rows can tell apart.
WIDE = DriftSettings(
    permutations=299, embedding_rows=300, max_label_distance=0.3, max_length_distance=0.3,
    max_vocabulary_distance=0.5, max_unknown_share_change=0.1, max_embedding_distance=0.05,
)  # fmt: skip
TRAIN = ["shares", "fell", "as", "the", "bank", "raised", "rates", "by", "a", "point"]
TEST = ["a", "late", "goal", "won", "them", "the", "match", "and", "a", "medal", "again"]


def rows_of(words: list[str], split: str, count: int, seed: int, longer: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "row_id": [f"{split} {row:06d}" for row in range(count)],
            "text": [
                " ".join(random.choice(words, random.integers(5, 12) + longer))
                for _ in range(count)
            ],
            "label": random.choice(
                ["up", "down"], count, p=[0.5, 0.5] if not longer else [0.9, 0.1]
            ),
            "split": [split] * count,
        }
    )


def put(store: ObjectStore, *parts: pa.Table) -> DataReport:
    buffer = io.BytesIO()
    pq.write_table(pa.concat_tables(parts), buffer)
    clean = store.put_bytes(
        store.uri("clean", f"{parts[-1]['split'][0]}.parquet"), buffer.getvalue()
    )
    return report_of(clean)


def report_of(clean: Artifact) -> DataReport:
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", task_type="classification", labels=(),
        group_columns=(), rows_by_split={}, rows_by_label={}, rows_quarantined=0,
        quarantined_by_reason={}, lengths={}, personal_data=(),
        leakage=Leakage(0, 0, 0, 0, 0, {}, 0, 0.8, 13, ()), checks=(), verdict=Verdict.PASS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def base(tiny_model: Path) -> BaseModel:
    found = fingerprint(tiny_model)
    return BaseModel(str(tiny_model), None, found.sha256, found.tokenizer_sha256)


def test_a_test_split_unlike_the_training_rows_is_caught_and_refused(
    store: ObjectStore, base: BaseModel
) -> None:
    planted = put(
        store, rows_of(TRAIN, "train", 400, 0), rows_of(TRAIN, "validation", 200, 1),
        rows_of(TEST, "test", 200, 2, longer=6),
    )  # fmt: skip
    validation, test = compare_splits(planted, base, WIDE, store).held_out
    assert (validation.split, validation.verdict) == ("validation", Verdict.PASS)
    assert (test.split, test.verdict) == ("test", Verdict.FAIL)
    failed = {check.name for check in test.checks if check.verdict is Verdict.FAIL}
    assert failed >= {
        "shift.test.label_shares", "shift.test.text_length", "shift.test.vocabulary",
        "shift.test.embeddings",
    }  # fmt: skip
    assert {(check.rows_before, check.rows_now) for check in test.checks[:2]} == {(400, 200)}
    refusing = WIDE.model_copy(update={"on_split_shift": "refuse"})
    with pytest.raises(DataError) as caught:
        compare_splits(planted, base, refusing, store)
    message = str(caught.value)
    assert "shift.test.text_length is unlike the training rows: Kolmogorov-Smirnov" in message
    assert "shift.validation" not in message
    assert "set drift.on_split_shift to report" in message


def test_few_held_out_rows_are_undetermined(store: ObjectStore) -> None:
    few = put(store, rows_of(TRAIN, "train", 400, 0), rows_of(TRAIN, "test", 49, 2))
    (test,) = compare_splits(few, None, WIDE, store).held_out
    assert test.verdict is Verdict.UNDETERMINED
    assert {check.reason for check in test.checks} == {"400 and 49 rows; either side needs 50"}
    assert {check.name for check in test.checks} == {
        "shift.test.label_shares", "shift.test.text_length", "shift.test.vocabulary",
    }  # fmt: skip
    refusing = WIDE.model_copy(update={"on_split_shift": "refuse"})
    with pytest.raises(DataError, match=r"not shown to be like the training rows.*\n.*undetermin"):
        compare_splits(few, None, refusing, store)
