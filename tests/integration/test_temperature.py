"""A classifier with a temperature is evaluated, and served by plain transformers, with the same."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from transformers import pipeline

from infra.errors import DataError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.temperature import scale_weights
from tests.integration.conftest import Candidate
from tests.stored_tables import get_table, put_table


@pytest.mark.slow
def test_the_scaled_model_answers_as_it_was_evaluated(
    candidate: Candidate, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    # Of the shared rows forty are for validation; twenty of the training rows join them.
    rows = get_table(candidate.data.clean, store).to_pandas()
    train = rows.index[rows["split"] == "train"][:20]
    rows.loc[train, "split"] = "validation"
    import pyarrow as pa

    clean = put_table("clean", pa.Table.from_pandas(rows, preserve_index=False), store)
    data = replace(candidate.data, clean=clean)
    scaled = scale_weights(candidate.weights, data, "classification", store)
    assert scaled.temperature < 1  # its logits are small, and right oftener than they claim
    assert scaled.artifact.sha256 != candidate.weights.artifact.sha256
    scores = evaluate_weights(
        scaled, data, None, "classification", EvaluationSettings(repeats=4_000),
        store=store, tracking=tracking,
    )  # fmt: skip
    after = {one.name: one.value for one in scores.estimates}
    before = {one.name: one.value for one in candidate.scores.estimates}
    assert after["quality.accuracy"] == before["quality.accuracy"]
    assert after["quality.brier"] < before["quality.brier"]
    table = get_table(scores.artifact, store)
    folder = store.get_folder(scaled.artifact, tmp_path / "model")
    served = pipeline("text-classification", model=str(folder), device="cpu")
    texts = dict(zip(rows["row_id"], rows["text"], strict=True))
    asked = [texts[row_id] for row_id in table["row_id"].to_pylist()]
    for found, wanted in zip(
        served(asked, truncation=True, max_length=scaled.max_length),
        map(json.loads, table["answer"].to_pylist()),
        strict=True,
    ):
        assert found["label"] == wanted["label"]
        assert np.isclose(found["score"], wanted["score"], atol=1e-5)


@pytest.mark.slow
def test_few_validation_rows_are_refused(candidate: Candidate, store: ObjectStore) -> None:
    with pytest.raises(
        DataError, match=r"there are 40; 50 are asked for: raise splits\.validation"
    ):
        scale_weights(candidate.weights, candidate.data, "classification", store)
