"""Ask the trained model about the test rows with small changes: a stage's function.

The answers to the rows as they are stand in the evaluation's artifact, and are not asked again.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.robustness.attack import asked_of, attack_rows
from tasks.probes.robustness.drawing import ChangedRow, Drawn, draw_changes
from tasks.probes.robustness.judging import AnsweredRows, judge_changes
from tasks.probes.robustness.reading import reads_of
from tasks.probes.robustness.settings import RobustnessSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.robustness import Robustness
from tasks.records.training import Weights
from tasks.task_types.examiner import examiner_of
from tasks.task_types.kept_models import keep_models
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of


def add_robustness(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: RobustnessSettings,
    evaluation: EvaluationSettings,
    *,
    store: ObjectStore,
) -> Scores:
    """The scores with robustness.KIND.flip_rate, .score_shift and .METRIC_drop of each kind.

    Args:
        scores: of the candidate, with its answers to the test rows.
        weights: the candidate.
        data: the clean rows.
        task_type: what the model is for.
        settings: which changes.
        evaluation: how metrics and intervals are made.
        store: holds the artifacts.

    Raises:
        DataError: the test split is empty.
        StoreError: an artifact is missing.
        BaseModelError, TrainingError: the model cannot be asked, or its scores are no numbers.

    """
    shape, limits = shape_of(task_type), TokenLimits.of(weights)
    plain = examiner_of(task_type, data.labels, limits, evaluation.seed)
    examiner = AskedExaminer(plain, evaluation)
    with (
        tempfile.TemporaryDirectory(prefix="robustness-") as name,
        quiet_transformers(),
        keep_models(),
    ):
        work = Path(name)
        test = read_rows(
            store.get_file(data.clean, work / "clean.parquet"), "test", shape, extra=True
        )
        told = pq.read_table(store.get_file(scores.artifact, work / "scores.parquet"))
        model = store.get_folder(weights.artifact, work / "model")
        asked = AnsweredRows(shape, test, in_order_of(test, told), examiner, settings, data.labels)
        rows = test.to_pylist()
        drawn = draw_changes(rows, shape, settings, reads_of(shape, model, limits))
        answers = ask_changed(model, test, rows, drawn, asked)
        probed = tuple(judge_changes(asked, one, after) for one, after in answers)
        attack = (
            attack_rows(asked, settings.attack, asked_of(asked, model)) if settings.attack else None
        )
    found = Robustness(
        rows=test.num_rows,
        asked=sum(not row.same_tokens for one in drawn for row in one.rows),
        data_sha256=data.clean.sha256,
        seed=settings.seed,
        probed=probed,
        attack=attack,
        on=datetime.now(UTC).date().isoformat(),
    )
    return replace(scores, estimates=(*scores.estimates, *found.estimates), robustness=found)


def in_order_of(test: pa.Table, told: pa.Table) -> pa.Table:
    """The candidate's answers in the order of the test rows."""
    place = {row_id: index for index, row_id in enumerate(told["row_id"].to_pylist())}
    return told.take([place[row_id] for row_id in test["row_id"].to_pylist()])


@dataclass(frozen=True)
class _Asked:
    """Where the answer to a changed row stands: among those asked, or among the test rows."""

    among_asked: bool
    place: int


def ask_changed(
    model: Path,
    test: pa.Table,
    rows: Sequence[dict[str, Any]],
    drawn: Sequence[Drawn],
    known: AnsweredRows,
) -> list[tuple[Drawn, pa.Table]]:
    """The answers (M,) to the changed rows of each kind; all are asked in one go.

    So batches are of like length whatever the kind, and a text that two kinds come to is asked
    once. A row that the model reads as before has the answer that it had.

    Args:
        model: folder of it.
        test: the test rows (N,), whose columns the changed ones have.
        rows: the same, one by one.
        drawn: what to ask.
        known: answers to the test rows.

    """
    asked: list[dict[str, Any]] = []
    places: list[_Asked] = []

    def place_of(row: ChangedRow) -> _Asked:
        if row.same_tokens:
            return _Asked(among_asked=False, place=row.place)
        asked.append({**rows[row.place], **row.columns})
        return _Asked(among_asked=True, place=len(asked) - 1)

    places = [place_of(row) for one in drawn for row in one.rows]
    if asked:
        answered = known.examiner.predict(model, pa.Table.from_pylist(asked, schema=test.schema))
    else:
        answered = known.answers.slice(0, 0)
    names = [name for name in answered.column_names if name in known.answers.column_names]
    answered = answered.select(names)
    before = known.answers.select(names).cast(answered.schema)
    every = pa.concat_tables([answered, before])
    at = np.array(
        [one.place + (0 if one.among_asked else answered.num_rows) for one in places], np.int64
    )
    found, start = [], 0
    for one in drawn:
        end = start + len(one.rows)
        found.append((one, every.take(pa.array(at[start:end]))))
        start = end
    return found
