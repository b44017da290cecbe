"""A candidate with real weights and real scores, for the tests of the registry."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.registry import Version
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.registry.registration import register_version
from tasks.reporting.card import render_model_readme
from tasks.reporting.settings import CardSettings


@dataclass(frozen=True)
class Candidate:
    """All that `register` asks for."""

    line: str
    snapshot: Snapshot
    data: DataReport
    tokens: Tokens
    base: BaseModel
    weights: Weights
    scores: Scores
    fairness: Fairness


def with_answers(
    scores: Scores, answers: Mapping[str, Mapping[str, Any] | None], name: str, store: ObjectStore
) -> Scores:
    """Scores of rows by their id, with answers that the test knows from elsewhere."""
    table = pa.table(
        {
            "row_id": list(answers),
            "answer": [
                None if answer is None else json.dumps(answer, ensure_ascii=False)
                for answer in answers.values()
            ],
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    written = store.put_bytes(store.uri("scores", f"{name}.parquet"), buffer.getvalue())
    return replace(scores, artifact=written)


@pytest.fixture(scope="session")
def evaluated(
    store: ObjectStore,
    tracking: Tracking,
    tiny_model: Path,
    topics: tuple[DataReport, BaseModel],
    tmp_path_factory: pytest.TempPathFactory,
) -> Candidate:
    """A classifier of three topics that was never trained, but has a mind of its own."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    data, base = topics
    folder = tmp_path_factory.mktemp("candidate") / "model"
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(
        tiny_model, num_labels=3, id2label=dict(enumerate(data.labels))
    )
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    texts = [" ".join(words) for words in (("goal",), ("bank", "rates"), ("a", "film"))]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        # Else every text gets a third for each label, or one label for all.
        model.classifier.weight *= 200
        model.classifier.bias -= model(**batch).logits.mean(dim=0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    weights = Weights(
        artifact=store.put_folder(store.uri("weights", "registry-test"), folder),
        labels=data.labels,
        max_length=16,
        epochs=(),
        best_epoch=1,
        parameters=1,
        precision="float32",
        run_id=tracking.open_run("topics", "registry-test", {}),
        device="cpu",
        training_s=1.0,
        tokens_per_s=1.0,
        resumed_from_step=0,
    )
    scores = evaluate_weights(
        weights, data, None, "classification", EvaluationSettings(repeats=4_000),
        store=store, tracking=tracking,
    )  # fmt: skip
    nothing = Artifact(store.uri("snapshots", "none"), "1" * 64, 1)
    return Candidate(
        line="topics",
        snapshot=Snapshot(
            nothing, nothing, "classification", 300, {}, 0, 0, 0, 0, data.rows_by_split, (), nothing
        ),
        data=data,
        tokens=Tokens(nothing, data.labels, 16, data.rows_by_split, {}, {}),
        base=base,
        weights=weights,
        scores=scores,
        fairness=Fairness((), (), 30),
    )


@pytest.fixture(scope="module")
def candidate(
    evaluated: Candidate, tracking: Tracking, request: pytest.FixtureRequest
) -> Candidate:
    """The candidate with a run of its own in MLflow, where no other module's versions show."""
    run_id = tracking.open_run(evaluated.line, request.module.__name__, {})
    return replace(evaluated, weights=replace(evaluated.weights, run_id=run_id))


@pytest.fixture(scope="session")
def registered(evaluated: Candidate, store: ObjectStore, tracking: Tracking) -> Version:
    """The candidate as a version of its line."""
    return register_version(
        evaluated.line, evaluated.snapshot, evaluated.data, evaluated.tokens, evaluated.base,
        evaluated.weights, evaluated.scores, evaluated.fairness, "classification",
        store=store, tracking=tracking,
        readme=render_model_readme(
            evaluated.line, evaluated.data, evaluated.base, evaluated.weights, evaluated.scores,
            CardSettings(license="mit", languages=("en",)),
        ),
    )  # fmt: skip
