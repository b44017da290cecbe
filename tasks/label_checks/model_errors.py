"""Label errors as the trained model sees them, on rows that it did not learn from."""

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.store import ObjectStore
from tasks.label_checks.checking import learnable, part_of
from tasks.label_checks.confident_learning import find_label_errors
from tasks.label_checks.row_sample import LabelledRows, read_labelled_rows
from tasks.label_checks.settings import LabelCheckSettings
from tasks.label_checks.suspects import (
    MODEL,
    Judged,
    both_ways,
    judged_rows,
    list_suspects,
    read_suspects,
)
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.label_checks import LabelChecks, LabelErrors
from tasks.records.training import Weights
from tasks.resampling import Floats
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape


def add_label_checks(
    scores: Scores,
    checks: LabelChecks,
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: LabelCheckSettings,
    store: ObjectStore,
) -> Scores:
    """The scores with what is known of the labels, the trained model's suspects among them.

    The model is asked of validation and test rows alone, since it has seen the training rows.

    Args:
        scores: of the candidate, whose answers to the test rows are read.
        checks: from before the training.
        weights: the candidate, which is asked of the validation rows.
        data: the rows.
        task_type: what the model is for.
        settings: how many rows are looked at.
        store: holds the artifacts.

    Raises:
        StoreError: an artifact is missing.
        TrainingError: the model gives a score that is no number.

    """
    shape = shape_of(task_type)
    if not checks.errors.reason:
        with tempfile.TemporaryDirectory(prefix="label-errors-") as name:
            work = Path(name)
            clean = store.get_file(data.clean, work / "clean.parquet")
            rows = read_labelled_rows(
                clean, shape, data.labels, max_rows=settings.max_rows, seed=settings.seed
            )
            said = {
                **_said_of_test(scores, store, work),
                **_said_of_validation(weights, data, task_type, rows, clean, store, work),
            }
            judged = _suspects(rows, said)
            errors = _merged(checks.errors, judged, clean, shape, settings, store, work)
            checks = replace(checks, errors=errors)
    estimates = (*scores.estimates, *checks.estimates)
    return replace(scores, estimates=estimates, label_checks=checks)


def _said_of_test(scores: Scores, store: ObjectStore, work: Path) -> dict[str, list[float]]:
    path = store.get_file(scores.artifact, work / "scores.parquet")
    if "probabilities" not in pq.read_schema(path).names:
        return {}
    table = pq.read_table(path, columns=["row_id", "probabilities"])
    return dict(zip(table["row_id"].to_pylist(), table["probabilities"].to_pylist(), strict=True))


def _said_of_validation(
    weights: Weights,
    data: DataReport,
    task_type: str,
    rows: LabelledRows,
    clean: Path,
    store: ObjectStore,
    work: Path,
) -> dict[str, list[float]]:
    wanted = np.array(rows.row_ids)[rows.splits == "validation"].tolist()
    if not wanted:
        return {}
    shape = shape_of(task_type)
    table = pq.read_table(
        clean,
        columns=["row_id", *shape.names],
        filters=[("split", "=", "validation"), ("row_id", "in", wanted)],
    )
    model = store.get_folder(weights.artifact, work / "model")
    examiner = examiner_of(task_type, data.labels, TokenLimits.of(weights))
    answers = examiner.predict(model, table)
    if "probabilities" not in answers.column_names:
        return {}
    probabilities: pa.ChunkedArray = answers["probabilities"]
    return dict(zip(table["row_id"].to_pylist(), probabilities.to_pylist(), strict=True))


def _suspects(rows: LabelledRows, said: dict[str, list[float]]) -> dict[str, Judged]:
    """Suspects among the rows that the model was asked of."""
    asked = np.array(
        [
            place
            for place, (row_id, held) in enumerate(zip(rows.row_ids, rows.held_out, strict=True))
            if held and row_id in said
        ],
        dtype=np.int64,
    )
    some = part_of(rows, asked)
    kept = learnable(some)
    if len(kept.names) < 2:  # noqa: PLR2004 - a single label cannot be mistaken
        return {}
    some = part_of(some, kept.places)
    columns = [rows.names.index(name) for name in kept.names]
    chances: Floats = np.array([said[row_id] for row_id in some.row_ids])[:, columns]
    chances /= np.maximum(chances.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    places = np.flatnonzero(find_label_errors(kept.class_ids, chances))
    return judged_rows(some, places, kept.names, chances[places], MODEL)


def _merged(
    errors: LabelErrors,
    judged: dict[str, Judged],
    clean: Path,
    shape: RowShape,
    settings: LabelCheckSettings,
    store: ObjectStore,
    work: Path,
) -> LabelErrors:
    """The suspects of the baseline and of the model, in one list."""
    before = {}
    if errors.suspects:
        before = read_suspects(store.get_file(errors.suspects, work / "suspects.parquet"))
    both = both_ways(before, judged)
    suspects, worst = list_suspects(clean, shape, both, settings.errors.shown, store)
    suspected = pc.field("row_id").isin(pa.array(sorted(both), pa.string()))
    given = pq.read_table(clean, columns=["row_id", shape.label_column or ""], filters=suspected)
    labels = dict(
        zip(given["row_id"].to_pylist(), given[shape.label_column].to_pylist(), strict=True)
    )
    by_label = Counter(labels.values())
    return replace(
        errors,
        suspects=suspects,
        found=len(both),
        by_label=dict(sorted(by_label.items())),
        worst=worst,
    )
