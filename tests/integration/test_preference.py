"""Learning from preferences on a real store and MLflow with a tiny model: from rows to rewards."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from infra.base_models import fingerprint
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.validation_rows import evaluate_on_validation
from tasks.ingestion.snapshot import write_snapshot
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import DataReport
from tasks.records.lesson import Reference
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.sources.pinning import pin
from tasks.sources.settings import TableSource
from tasks.task_types.reference_answers import REFERENCE
from tasks.task_types.reference_model import REFERENCE_FILE
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training import asked_examples
from tasks.training.plan import plan_training
from tasks.training.preference.answers import write_reference
from tasks.training.settings import TrainingSettings
from tasks.training.train import train_model, training_key
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.validation.validate import validate_snapshot
from tests.integration.test_training import CutError, steps_in
from tests.preference_rows import preference_rows, write_rows
from tests.unit.task_types.language_models import tiny_llama

KIND = "preference"
SETTINGS = TrainingSettings(epochs=3, learning_rate=3e-3, batch_size=16, seed=3)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other make a tiny model on a busy machine ten times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def clean_rows(rows: list[dict[str, Any]], folder: Path, store: ObjectStore) -> DataReport:
    settings = TableSource(
        format="jsonl", path=str(write_rows(folder / "rows.jsonl", rows)),
        columns={"messages": "prompt"},
    )  # fmt: skip
    splits = SplitSettings(train=0.5, validation=0.2, test=0.3)
    snapshot = write_snapshot(pin("answers", settings, store), settings, splits, KIND, store)
    leakage = LeakageSettings(near_duplicates=False)
    contract = ContractSettings(max_quarantine_share=0.5, min_rows=10)
    return validate_snapshot(snapshot, None, contract, leakage, PrivacySettings(), store)


def test_rows_that_prefer_nothing_are_put_aside_and_a_prompt_stays_in_one_split(
    store: ObjectStore, tmp_path: Path
) -> None:
    rows = preference_rows(60)
    same = [{**rows[1], "rejected": f"{word} bank"} for word in ("Shares", "rates", "raised")]
    turned = [
        {"prompt": "Who won?", "chosen": "We did.", "rejected": "You did."},
        {"prompt": "Who won?", "chosen": "You did.", "rejected": "We did."},
    ]
    bad = [
        {"prompt": "one", "chosen": "a"},
        {"prompt": "two", "rejected": "a"},
        {"prompt": "three", "chosen": " a", "rejected": "a "},
        {"prompt": "  ", "chosen": "a", "rejected": "b"},
        {"prompt": [{"role": "assistant", "content": "I"}], "chosen": "a", "rejected": "b"},
        {"prompt": [{"role": "user", "content": "I"}, {"role": "assistant", "content": "so"}],
         "chosen": "a", "rejected": "b"},
    ]  # fmt: skip
    report = clean_rows([*rows, *same, *turned, *bad], tmp_path, store)
    table = pq.read_table(store.get_file(report.quarantine, tmp_path / "quarantine.parquet"))
    reasons = [{one.partition(":")[0] for one in row["reasons"]} for row in table.to_pylist()]
    assert sorted(reason for one in reasons for reason in one) == [
        "broken chat", "broken chat", "conflicting labels", "conflicting labels",
        "equal answers", "missing chosen", "missing messages", "missing rejected",
    ]  # fmt: skip
    clean = pq.read_table(store.get_file(report.clean, tmp_path / "clean.parquet"))
    assert clean.num_rows == 63
    assert len(set(clean["row_id"].to_pylist())) == 63
    prompt = [{"role": "user", "content": rows[1]["prompt"]}]
    of_one = [row for row in clean.to_pylist() if row["messages"] == prompt]
    assert len(of_one) == 4
    assert len({(row["split"], row["cluster"]) for row in of_one}) == 1


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = tiny_llama(tmp_path_factory.mktemp("llama"))
    found = fingerprint(folder)
    return BaseModel(str(folder), None, found.sha256, found.tokenizer_sha256)


@pytest.fixture(scope="module")
def data(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> DataReport:
    return clean_rows(preference_rows(400), tmp_path_factory.mktemp("rows"), store)


@pytest.fixture(scope="module")
def tokens(store: ObjectStore, data: DataReport, base: BaseModel) -> Tokens:
    return tokenize_splits(store, data, base, KIND, TokenizationSettings(max_length=48))


@pytest.fixture(scope="module")
def reference(store: ObjectStore, tokens: Tokens, base: BaseModel) -> Reference:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asked_examples, "ROWS_A_SHARD", 64)
        return write_reference(store, tokens, base, KIND)


@pytest.fixture(scope="module")
def tuned(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, base: BaseModel, reference: Reference
) -> Weights:
    return train_model(
        store, tracking, "answers", tokens, base, KIND, SETTINGS, lesson=reference
    )  # fmt: skip


@pytest.mark.slow
def test_the_reference_is_asked_once(
    store: ObjectStore,
    tokens: Tokens,
    base: BaseModel,
    reference: Reference,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[range] = []
    about = asked_examples.AskedModel.about

    def note(self: Any, rows: Any, numbers: range) -> Any:
        asked.append(numbers)
        return about(self, rows, numbers)

    monkeypatch.setattr(asked_examples.AskedModel, "about", note)
    monkeypatch.setattr(asked_examples, "ROWS_A_SHARD", 64)
    assert write_reference(store, tokens, base, KIND) == reference
    assert asked == []
    store.delete(reference.validation[0].uri)
    assert write_reference(store, tokens, base, KIND) == reference
    assert asked == [range(min(64, tokens.rows_by_split["validation"]))]
    assert reference.rows == sum(tokens.rows_by_split[one] for one in ("train", "validation"))
    assert reference.model == base
    content = pa.ipc.open_file(pa.py_buffer(store.get_bytes(reference.train[0].uri))).read_all()
    assert content.column_names == ["row_id", REFERENCE]
    assert (np.stack(content[REFERENCE].to_numpy()) < 0).all()


@pytest.mark.slow
def test_a_tiny_model_learns_what_is_preferred(
    store: ObjectStore,
    tracking: Tracking,
    tuned: Weights,
    data: DataReport,
    base: BaseModel,
    tmp_path: Path,
) -> None:
    first = tuned.curve[0]
    assert first.loss == pytest.approx(np.log(2), rel=1e-3)  # the model is its reference yet
    assert tuned.epochs[-1].validation_metrics["preference_accuracy"] > 0.9
    folder = store.get_folder(tuned.artifact, tmp_path / "model")
    told = json.loads((folder / REFERENCE_FILE).read_text())
    assert told["sha256"] == base.sha256
    assert told["beta"] == 0.1
    params = tracking._client.get_run(tuned.run_id).data.params
    assert params["reference_model_sha256"] == base.sha256
    scores = evaluate_weights(
        tuned, data, None, KIND, EvaluationSettings(), store=store, tracking=tracking
    )
    found = {one.name: one for one in scores.measured}
    accuracy = found["quality.preference_accuracy"]
    assert accuracy.value is not None
    assert accuracy.low is not None
    assert accuracy.value > 0.9
    assert accuracy.low > 0.5
    for name in ("reward_margin", "kl_to_reference"):
        one = found[f"quality.{name}"]
        assert one.value is not None
        assert one.low is not None
        assert 0 < one.low < one.value
    gain = found["quality.accuracy_over_reference"].value
    assert gain == pytest.approx(
        found["quality.likelihood_accuracy"].value - found["quality.reference_accuracy"].value  # type: ignore[operator]
    )
    over_length = found["baseline.preference_accuracy_gain"]
    assert over_length.low is not None
    assert over_length.low > 0


@pytest.mark.slow
def test_a_training_that_was_cut_off_gives_the_same_bits(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    base: BaseModel,
    reference: Reference,
    tuned: Weights,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("tasks.training.callbacks.PROGRESS_EVERY_S", 0.0)
    settings = SETTINGS.model_copy(update={"checkpoint_every_s": 0.001})

    def cut(percent: float, _words: str) -> None:
        time.sleep(0.03)
        if percent >= 64:
            raise CutError

    def again(**options: Any) -> Weights:
        return train_model(
            store, tracking, "answers", tokens, base, KIND, settings, lesson=reference, **options
        )

    with pytest.raises(CutError):
        again(progress=cut)
    key = training_key(tokens, base, KIND, settings, reference)
    assert steps_in(store, store.uri("checkpoints", key))[-1] > 10
    with caplog.at_level(logging.INFO, logger="tasks"):
        weights = again()
    assert weights.resumed_from_step > 10
    assert weights.artifact == tuned.artifact


@pytest.mark.slow
def test_adapters_are_held_against_the_untouched_base(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    base: BaseModel,
    reference: Reference,
    tmp_path: Path,
) -> None:
    settings = SETTINGS.model_copy(update={"method": "lora", "learning_rate": 1e-2})
    adapted = train_model(
        store, tracking, "answers", tokens, base, KIND, settings, lesson=reference
    )
    assert adapted.curve[0].loss == pytest.approx(np.log(2), rel=1e-3)
    assert adapted.epochs[-1].validation_metrics["preference_accuracy"] > 0.8
    folder = store.get_folder(adapted.artifact, tmp_path / "model")
    assert json.loads((folder / REFERENCE_FILE).read_text())["sha256"] == base.sha256


@pytest.mark.slow
def test_a_sweep_can_measure_it_on_validation_rows(
    store: ObjectStore, tuned: Weights, data: DataReport
) -> None:
    scored = evaluate_on_validation(tuned, data, KIND, EvaluationSettings(), store=store)
    (accuracy,) = (one for one in scored.estimates if one.name == "quality.preference_accuracy")
    assert accuracy.value is not None
    assert accuracy.value > 0.9


@pytest.mark.slow
def test_an_estimate_asks_no_reference(
    store: ObjectStore, tracking: Tracking, tokens: Tokens, base: BaseModel
) -> None:
    planned = plan_training(store, tracking, tokens, base, KIND, SETTINGS)
    assert planned.rows == tokens.rows_by_split["train"]
    assert planned.training_s > 0
