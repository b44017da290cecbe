"""Robustness probes of real models on a real store, for every task type that has them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.store import ObjectStore
from tasks.evaluation.evaluation import write_scores
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.robustness.probing import add_robustness
from tasks.probes.robustness.rows import why_not_attacked, why_not_probed
from tasks.probes.robustness.settings import RobustnessSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.robustness import Robustness
from tasks.records.training import BaseModel, Weights
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import ROW_SHAPES, shape_of
from tests.unit.task_types.every_task_type import TEXTS, labels_of, rows_of, trained

PROBED = [name for name in ROW_SHAPES.names if not why_not_probed(shape_of(name))]
LIMITS = TokenLimits(max_length=40)
MANY = [f"{n} {text}" for n in range(10) for text in TEXTS]


def candidate(
    name: str, store: ObjectStore, tiny_model: Path, told: DataReport, folder: Path
) -> tuple[Scores, Weights, DataReport]:
    """What training and evaluation leave of a model with random weights."""
    shape = shape_of(name)
    labels = labels_of(shape)
    model = trained(name, tiny_model, labels, folder / "model")
    rows = rows_of(shape, labels, MANY)
    if shape.passage:
        asked = [f"Which one was it that they said {n}?" for n in range(len(rows))]
        rows = rows.set_column(rows.column_names.index("question"), "question", [asked])
    examiner = examiner_of(name, labels, LIMITS)
    answers = examiner.predict(model, rows)
    measured = examiner.measure(rows, answers)
    clean = rows.append_column("split", pa.array(["test"] * len(rows)))
    pq.write_table(clean, folder / "clean.parquet")
    kept = store.put_file(store.uri("clean", f"robust-{name}.parquet"), folder / "clean.parquet")
    data = replace(told, task_type=name, labels=labels, clean=kept)
    weights = Weights(
        artifact=store.put_folder(store.uri("weights", f"robust-{name}"), model), labels=labels,
        max_length=LIMITS.max_length, epochs=(), best_epoch=1, parameters=1, precision="float32",
        run_id="", device="cpu", training_s=1.0, tokens_per_s=1.0, resumed_from_step=0,
    )  # fmt: skip
    scores = Scores(
        artifact=write_scores(rows, answers, measured, [], store), labels=labels, rows=len(rows),
        estimates=(), confusion=(), calibration=(), champion_version=None, champion_note="",
    )  # fmt: skip
    return scores, weights, data


@pytest.mark.parametrize("name", PROBED)
def test_each_task_type_is_probed(
    name: str,
    store: ObjectStore,
    tiny_model: Path,
    topics: tuple[DataReport, BaseModel],
    tmp_path: Path,
) -> None:
    shape = shape_of(name)
    scores, weights, data = candidate(name, store, tiny_model, topics[0], tmp_path)
    asked: dict[str, Any] = {"strengths": [0.5], "texts_per_row": 6, "min_rows": 5}
    if not why_not_attacked(shape):
        asked["attack"] = {"rows": 10, "queries_per_row": 8}
    settings = RobustnessSettings.model_validate(asked)

    def probe() -> Scores:
        evaluation = EvaluationSettings(repeats=4_000)
        return add_robustness(scores, weights, data, name, settings, evaluation, store=store)

    probed = probe()
    found = probed.robustness
    assert isinstance(found, Robustness)
    assert (found.rows, found.data_sha256) == (40, data.clean.sha256)
    assert {one.name for one in probed.estimates} == {one.name for one in found.estimates}
    assert 0 < found.asked <= 6 * 40 + 8
    by_kind = {one.kind: one for one in found.probed}
    for kind in ("typos", "keyboard", "ocr"):
        one = by_kind[kind]
        assert one.changed >= 5
        assert one.flip_rate.value is not None
        assert one.score_shift.low is not None
        assert one.drops
    # The tokenizer of the tiny model has no capitals: nothing is asked, and nothing moves.
    if [column.kind for column in shape.inputs] == ["text"]:
        upper = by_kind["upper_case"]
        assert upper.same_tokens == upper.changed > 0
        assert upper.flip_rate.value == 0
    if name == PROBED[0]:
        assert probe() == probed


def test_small_changes_move_a_model_of_random_weights(
    store: ObjectStore, tiny_model: Path, topics: tuple[DataReport, BaseModel], tmp_path: Path
) -> None:
    scores, weights, data = candidate("regression", store, tiny_model, topics[0], tmp_path)
    settings = RobustnessSettings(kinds=("typos", "homophones"), strengths=(1.0,), min_rows=5)
    found = add_robustness(
        scores, weights, data, "regression", settings, EvaluationSettings(repeats=4_000),
        store=store,
    ).robustness  # fmt: skip
    assert found is not None
    typos, homophones = found.probed
    assert typos.score_shift.value is not None
    assert typos.score_shift.value > 0
    # A row in four is Chinese.
    assert 0 < homophones.changed <= 10
    assert homophones.tried >= homophones.changed
