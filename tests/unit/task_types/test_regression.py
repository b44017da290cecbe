import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from torch.nn.functional import mse_loss
from transformers import AutoConfig

from infra.base_models import fingerprint
from infra.errors import BaseModelError, DataError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.data import DataReport
from tasks.records.training import BaseModel
from tasks.task_types.examiner import Examiner, examiner_of
from tasks.task_types.examples import Vocabulary
from tasks.task_types.labels.regression_measures import measure_predictions
from tasks.task_types.learner import Learner, learner_of
from tasks.task_types.tokenizers import load_tokenizer
from tasks.tokenization.settings import TokenizationSettings
from tasks.tokenization.splits import tokenize_splits
from tasks.training.settings import TrainingSettings
from tasks.verdicts import Verdict
from tests.conftest import NO_LEAKS
from tests.unit.task_types.text_models import LIMITS, tokenized, train, values_of, weighted

VOCABULARY = Vocabulary(pad_id=0, size=600)


@pytest.fixture
def learner() -> Learner:
    return learner_of("regression", (), LIMITS)


@pytest.fixture
def examiner() -> Examiner:
    return examiner_of("regression", (), LIMITS)


def rows(*pairs: tuple[str, float | None]) -> pa.Table:
    return pa.table(
        {
            "row_id": [f"{number:064x}" for number in range(len(pairs))],
            "text": [text for text, _ in pairs],
            "target": pa.array([target for _, target in pairs], pa.float64()),
        }
    )


def made_rows(count: int, seed: int, *, scale: float = 100.0, mean: float = 5000.0) -> pa.Table:
    """The target rises with the good words of a text and falls with the bad, in two languages."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        good = int(rng.integers(0, 9))
        words = ["good" if rng.random() < 0.5 else "人" for _ in range(good)]
        words += ["bad" if rng.random() < 0.5 else "不" for _ in range(8 - good)]
        made.append((" ".join(rng.permutation(words)), mean + scale * (good - 4)))
    return rows(*made)


@pytest.mark.parametrize("target", [None, float("nan"), float("inf"), -float("inf")])
def test_a_target_that_is_no_number_is_refused(
    learner: Learner, tiny_model: Path, target: float | None
) -> None:
    table = rows(("a good film", 1.0), ("a bad film", target))
    with pytest.raises(DataError, match=f"row {1:064x} has the target {target}; right would be"):
        learner.encode(table, load_tokenizer(tiny_model))


def test_encode_keeps_the_targets(learner: Learner, tiny_model: Path) -> None:
    encoded = learner.encode(
        rows(("a good film", 1e9 + 0.1), ("这是不 " * 99, -2)), load_tokenizer(tiny_model),
    )  # fmt: skip
    assert encoded.table.column("target").to_pylist() == [1e9 + 0.1, -2]
    assert encoded.truncated == 1


def test_the_targets_are_measured_in_the_training_rows_spread(
    learner: Learner, tiny_model: Path, tmp_path: Path
) -> None:
    targets = np.array([1e6, 1e6 + 3, 1e6 - 6, 1e6 + 1])
    table = rows(*((f"film {n}", target) for n, target in enumerate(targets)))
    examples = tokenized(learner, tiny_model, table, tmp_path / "rows")
    fitted = learner.fitted_to(examples)
    batch = fitted.collate([examples[n] for n in range(4)], VOCABULARY)
    expected = (targets - targets.mean()) / targets.std()
    np.testing.assert_allclose(batch.labels["labels"], expected, rtol=1e-6)
    assert batch.inputs["attention_mask"].tolist() == [[1] * batch.inputs["input_ids"].shape[1]] * 4
    # What is validated is in the target's own units again.
    values = fitted.metrics(np.stack([np.zeros(4), expected], axis=1))
    assert values["rmse"] == pytest.approx(targets.std())
    assert values["mae"] == pytest.approx(np.abs(targets - targets.mean()).mean())
    same = tokenized(learner, tiny_model, rows(("a", 7.0), ("b", 7.0)), tmp_path / "same")
    assert learner.fitted_to(same) == replace(learner, target_mean=7.0, target_scale=1.0)


def test_other_task_types_need_nothing_of_the_rows() -> None:
    other = learner_of("classification", ("a", "b"), LIMITS)
    assert other.fitted_to(None) is other


def test_shares_of_the_loss_sum_to_the_mean_over_the_step(learner: Learner) -> None:
    logits, targets = torch.randn(2, 7, generator=torch.manual_seed(0))
    examples = [{"input_ids": np.array([1], np.int32), "target": float(y)} for y in targets]
    batches = [learner.collate(examples[part], VOCABULARY) for part in (slice(0, 5), slice(5, 7))]
    units = torch.stack([learner.units(batch) for batch in batches]).sum(dim=0)
    parts = zip(batches, (logits[:5], logits[5:]), strict=True)
    shares = [learner.loss({"logits": part[:, None]}, batch, units) for batch, part in parts]
    torch.testing.assert_close(sum(shares), mse_loss(logits, targets))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_measures_are_those_of_scikit_learn_and_scipy(seed: int) -> None:
    """With ties among targets and predictions, and rows that come several times or never."""
    rng = np.random.default_rng(seed)
    targets, predicted = rng.integers(0, 12, (2, 30)) * 250.0 + 1e5
    counts = rng.integers(0, 4, 30)
    found = weighted(measure_predictions(targets, predicted), counts)
    targets, predicted = np.repeat(targets, counts), np.repeat(predicted, counts)
    assert found["mae"] == pytest.approx(mean_absolute_error(targets, predicted))
    assert found["rmse"] == pytest.approx(root_mean_squared_error(targets, predicted))
    assert found["r2"] == pytest.approx(r2_score(targets, predicted))
    assert found["spearman"] == pytest.approx(spearmanr(targets, predicted).statistic)


def test_a_row_scores_by_its_error_within_the_range_of_the_targets() -> None:
    measured = measure_predictions(np.array([0.0, 10.0, 5.0]), np.array([0.0, 9.0, 50.0]))
    assert measured.row_scores.tolist() == [1, 0.9, 0]
    flat = measure_predictions(np.array([3.0, 3.0]), np.array([3.0, 4.0]))
    assert flat.row_scores.tolist() == [1, 0]


def test_what_equal_numbers_leave_undefined_is_not_measured() -> None:
    def reasons(targets: list[float], predicted: list[float]) -> dict[str, str]:
        measured = measure_predictions(np.array(targets), np.array(predicted))
        return {measure.name: measure.reason for measure in measured.measures if measure.reason}

    same = "all test targets are the same number"
    assert reasons([1, 1, 1], [1, 2, 3]) == {"r2": same, "spearman": same}
    assert reasons([1, 2, 3], [1, 1, 1]) == {"spearman": "all predictions are the same"}
    assert reasons([1, 2, 3], [1, 2, 3]) == {}


def test_a_wrong_pseudo_row_comes_first_and_pulls_the_metric_down() -> None:
    """So that a model without errors in a few rows is not thought to be without errors."""
    targets = np.arange(20.0)
    for measure in measure_predictions(targets, targets).measures:
        sign = 1 if measure.greater_is_better else -1
        bad, good = (np.concatenate([np.ones(20), mass])[None] for mass in ([1, 0], [0, 1]))
        assert sign * measure.statistic(bad)[0] < sign * measure.value, measure.name
        assert measure.statistic(good)[0] == pytest.approx(measure.value)


def test_the_right_pseudo_row_of_r2_lies_as_far_out_as_any_row() -> None:
    """With one nearer by, its upper end misses the truth in 4.7% of draws of 50 rows."""
    targets = np.array([1.0, 2.0, 3.0, 4.0, 15.0])
    measured = {one.name: one for one in measure_predictions(targets, targets + 1).measures}
    assert measured["r2"].sums is not None
    _, right = measured["r2"].sums.pseudo_rows
    assert right.tolist() == [0.0, 0.0, -10.0, 100.0, 1.0]  # its mean is 5


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_a_trained_model_gives_the_targets_own_units(
    learner: Learner, examiner: Examiner, tiny_model: Path, tmp_path: Path, scale: float
) -> None:
    splits = [made_rows(n, seed, scale=scale, mean=50 * scale) for n, seed in ((200, 0), (50, 1))]
    folder, metrics = train(
        learner, tiny_model, (splits[0], splits[1]), tmp_path / "run", epochs=6, batch_size=8,
        learning_rate=2e-3,
    )  # fmt: skip
    answers = examiner.predict(folder, splits[1])
    found = values_of(examiner.measure(splits[1], answers))
    assert found["rmse"] == pytest.approx(metrics["rmse"], rel=1e-3)
    assert found["r2"] > 0.8
    assert found["spearman"] > 0.9
    said = json.loads(answers["answer"][0].as_py())
    assert said == {"target": answers["predicted"][0].as_py()}
    words = values_of(examiner.measure(splits[1], examiner.baseline(splits[0], splits[1])))
    assert words["rmse"] < 3 * scale


def test_a_model_of_another_task_type_is_refused(
    examiner: Examiner, tiny_model: Path, tmp_path: Path
) -> None:
    model = learner_of("classification", ("a", "b"), LIMITS).load_model(tiny_model)
    model.save_pretrained(tmp_path)
    load_tokenizer(tiny_model).save_pretrained(tmp_path)
    with pytest.raises(BaseModelError, match="was not trained for regression"):
        examiner.predict(tmp_path, rows(("a", 1.0)))


def test_the_training_stage_measures_the_targets_first(
    tiny_model: Path, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    from tasks.training.train import train_model

    sizes = {"train": 32, "validation": 8, "test": 8}
    parts = [
        made_rows(size, seed).append_column("split", pa.array([split] * size))
        for seed, (split, size) in enumerate(sizes.items())
    ]
    pq.write_table(pa.concat_tables(parts), tmp_path / "clean.parquet")
    clean = store.put_file(store.uri("clean", "numbers.parquet"), tmp_path / "clean.parquet")
    data = DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=(), group_columns=(),
        rows_by_split=sizes, rows_by_label={}, rows_quarantined=0, quarantined_by_reason={},
        task_type="regression", lengths={}, personal_data=(), leakage=NO_LEAKS, checks=(),
        verdict=Verdict.PASS,
    )  # fmt: skip
    found = fingerprint(tiny_model)
    base = BaseModel(str(tiny_model), None, found.sha256, found.tokenizer_sha256)
    tokens = tokenize_splits(store, data, base, "regression", TokenizationSettings(max_length=32))
    weights = train_model(
        store, tracking, "numbers", tokens, base, "regression",
        TrainingSettings(epochs=1),
    )  # fmt: skip
    folder = store.get_folder(weights.artifact, tmp_path / "model")
    targets = parts[0]["target"].to_numpy()
    config = AutoConfig.from_pretrained(folder)
    assert (config.target_mean, config.target_scale) == (targets.mean(), targets.std())
