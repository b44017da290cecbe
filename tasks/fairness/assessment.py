"""From row-wise scores to how groups fare: the stage's plain function."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import DataError, SettingsError
from infra.store import ObjectStore
from tasks.fairness.classes import class_estimates
from tasks.fairness.gap_gains import PREDICTED_WITHOUT, gap_gains, gaps_without
from tasks.fairness.gate_rows import gate_rows_of_groups
from tasks.fairness.group_gains import SCORES_WITHOUT, gains_of_groups
from tasks.fairness.groups import check_attributes, memberships
from tasks.fairness.paired_gaps import paired_gains
from tasks.fairness.predictions import ClassAnswers, ScoredAnswers, class_ids, read_answers
from tasks.fairness.row_scores import score_estimates
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness, GroupRates, SubgroupAuc
from tasks.records.gate_rows import GateRows
from tasks.resampling import Floats, Ladder
from tasks.resampling_units import Units, units_of_table
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, RowShape, texts_of
from tasks.verdicts import Estimate


def assess_scores(
    scores: Scores, data: DataReport, settings: FairnessSettings, *, store: ObjectStore
) -> Fairness:
    """Compare the groups of every attribute on the test rows.

    Raises:
        DataError: the scores are not those of these test rows, or a group column is missing.
        SettingsError: the settings name a label or an attribute that there is not.
        StoreError: an artifact is missing or was changed.

    """
    check_attributes(data.group_columns, settings)
    check_labels(scores.labels, settings)
    shape = shape_of(data.task_type)
    with tempfile.TemporaryDirectory(prefix="assess-") as name:
        work = Path(name)
        scored = read_scores(store.get_file(scores.artifact, work / "scores.parquet"))
        clean = store.get_file(data.clean, work / "clean.parquet")
        rows = read_test_rows(clean, shape, data.group_columns)
    if rows["row_id"].to_pylist() != scored["row_id"].to_pylist():
        raise DataError(
            "the scores and the clean data hold different test rows; score these rows again"
        )
    answers = read_answers(scored, scores.labels)
    units = units_of_table(
        rows, cluster=CLUSTER if settings.by_cluster else None, seed=settings.seed
    )
    assessed = assess_rows(rows, shape, answers, data.group_columns, settings, units)
    gains = {
        family: _row_scores(scored, "row_score") - _row_scores(scored, column)
        for family, column in SCORES_WITHOUT.items()
        if column in scored.column_names
    }
    if not gains:
        return assessed
    texts = [text or "" for text in texts_of(shape, rows).to_pylist()]
    members = list(memberships(rows, texts, data.group_columns, settings))
    told = [
        estimate
        for family, gained in gains.items()
        for member in members
        for estimate in gains_of_groups(member, gained, settings, units, family)
    ]
    theirs: list[Estimate] = []
    paired: dict[str, Ladder] = {}
    if isinstance(answers, ClassAnswers) and PREDICTED_WITHOUT in scored.column_names:
        predicted = class_ids(scored, PREDICTED_WITHOUT, scores.labels)
        theirs = [
            gap
            for member in members
            for gap in gaps_without(
                member, answers.truth, predicted, scores.labels, settings, units
            )
        ]
        for member in members:
            paired |= paired_gains(
                member, answers.truth, predicted, answers.predicted, scores.labels, settings, units
            )
    narrowed = gap_gains(assessed.estimates, theirs, paired)
    return replace(assessed, estimates=(*assessed.estimates, *told, *narrowed))


def _row_scores(scored: pa.Table, name: str) -> Floats:
    """Scores (N,) from 0 to 1; NaN where a model gave none."""
    found: Floats = pc.fill_null(scored[name].cast(pa.float64()), float("nan")).to_numpy()
    return found


def check_labels(labels: tuple[str, ...], settings: FairnessSettings) -> None:
    """Raise SettingsError where a positive label is none of the labels."""
    if unknown := [label for label in settings.positive_labels if label not in labels]:
        raise SettingsError(
            f"fairness.positive_labels names {unknown}; the labels of the data are {list(labels)}"
        )


def read_scores(path: Path) -> pa.Table:
    """What the groups are compared in, of a Scores artifact."""
    found = pq.read_schema(path).names
    plain = ("row_id", "label", "predicted", "probabilities", "row_score")
    wanted = (*plain, *SCORES_WITHOUT.values(), PREDICTED_WITHOUT)
    return pq.read_table(path, columns=[name for name in wanted if name in found])


def read_test_rows(clean: Path, shape: RowShape, group_columns: tuple[str, ...]) -> pa.Table:
    """Inputs, groups and clusters of the test rows.

    Raises:
        DataError: a group column is missing.

    """
    found = pq.read_schema(clean).names
    if missing := [column for column in group_columns if column not in found]:
        raise DataError(f"the clean data has no group column {missing}; it has {found}")
    columns = ["row_id", *(column.name for column in shape.inputs), *group_columns]
    columns += [CLUSTER] if CLUSTER in found else []
    return pq.read_table(clean, columns=columns, filters=[("split", "=", "test")])


def assess_rows(
    rows: pa.Table,
    shape: RowShape,
    answers: ClassAnswers | ScoredAnswers,
    group_columns: tuple[str, ...],
    settings: FairnessSettings,
    units: Units | None = None,
) -> Fairness:
    """Compare the groups of every attribute.

    Args:
        rows: inputs and group columns of N rows.
        shape: the columns of the task type.
        answers: to these rows.
        group_columns: columns whose values are groups.
        settings: attributes, least rows, repeats and seed.
        units: what the rows are drawn in; None for one by one.

    Raises:
        SettingsError: the settings tell a label from the rest, and the answers are no labels.

    """
    if settings.positive_labels and isinstance(answers, ScoredAnswers):
        raise SettingsError(
            f"fairness.positive_labels is {list(settings.positive_labels)}, and a row of task type "
            f"{shape.task_type} has not one label; leave it out"
        )
    groups: list[GroupRates] = []
    estimates: list[Estimate] = []
    aucs: list[SubgroupAuc] = []
    counted: list[GateRows] = []
    truth = None if isinstance(answers, ScoredAnswers) else answers.truth
    labels = () if isinstance(answers, ScoredAnswers) else answers.labels
    texts = [text or "" for text in texts_of(shape, rows).to_pylist()]
    for member in memberships(rows, texts, group_columns, settings):
        if isinstance(answers, ScoredAnswers):
            found, between = score_estimates(member, answers.scores, settings, units)
        else:
            found, between, ranked = class_estimates(member, answers, settings, units)
            aucs += ranked
        groups += found
        estimates += [*between, *(group.accuracy_gap for group in found)]
        counted += gate_rows_of_groups(member, truth, labels, settings, units)
    return Fairness(
        tuple(groups),
        tuple(estimates),
        settings.min_group_rows,
        tuple(aucs),
        gate_rows=tuple(counted),
    )
