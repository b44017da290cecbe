"""What a threshold comes to on the test rows, over all and by label and group: a stage's function.

Answers and probabilities stand in the evaluation's artifact; the model is not asked again.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.abstention.settings import (
    COVERAGE,
    ERROR_RATE,
    FAMILY,
    SELECTIVE_RISK,
    SET_COVERAGE,
    SET_SIZE,
    AbstentionSettings,
)
from tasks.evaluation.intervals import Quantity, draw, gain_of, level_of, levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.assessment import read_test_rows
from tasks.fairness.groups import compared_groups, memberships
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.records.abstention import Abstention
from tasks.records.abstention_scores import AbstentionPart, AbstentionScores, RiskPoint
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.training import Weights
from tasks.resampling import Floats, Ints
from tasks.resampling_units import MIN_CLUSTERS, Units, clusters_of_groups, units_of_table
from tasks.task_types.measures import Measure, mean_of, mean_of_some
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, texts_of
from tasks.verdicts import Estimate, undetermined

Bools = NDArray[np.bool_]

LABEL, GAP = "label", "_gap"
CURVE_POINTS: Final = 100


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """N test rows under a threshold.

    Attributes:
        scores: probability of the likeliest label, (N,).
        truth: class ids, (N,).
        answered: which are answered, (N,).
        right: which of them would be right, (N,).
        in_set: whose conformal set holds the right label, (N,).
        set_sizes: labels in each set, (N,).
        units: what is drawn.

    """

    scores: Floats
    truth: Ints
    answered: Bools
    right: Bools
    in_set: Bools
    set_sizes: Ints
    units: Units


def add_abstention(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    settings: AbstentionSettings,
    fairness: FairnessSettings,
    evaluation: EvaluationSettings,
    *,
    store: ObjectStore,
) -> Scores:
    """The scores with abstention.*: coverage, selective risk and conformal sets.

    Args:
        scores: of the candidate, with its answers to the test rows.
        weights: the candidate, with its threshold.
        data: the clean rows.
        settings: how few rows are too few.
        fairness: which groups are told apart.
        evaluation: how intervals are made.
        store: holds the artifacts.

    Raises:
        DataError: the scores are not of these rows, or the candidate has no threshold.
        StoreError: an artifact is missing.

    """
    if weights.abstention is None:
        raise DataError("the candidate has no threshold to be measured; fit one first")
    shape = shape_of(data.task_type)
    with tempfile.TemporaryDirectory(prefix="abstention-") as name:
        work = Path(name)
        told = pq.read_table(
            store.get_file(scores.artifact, work / "scores.parquet"),
            columns=["row_id", "label", "probabilities"],
        )
        clean = store.get_file(data.clean, work / "clean.parquet")
        rows = read_test_rows(clean, shape, data.group_columns)
    if rows["row_id"].to_pylist() != told["row_id"].to_pylist():
        raise DataError(
            "the scores and the clean data hold different test rows; score these rows again"
        )
    units = units_of_table(
        rows, cluster=CLUSTER if evaluation.by_cluster else None, seed=evaluation.seed
    )
    judged = judged_rows(told, weights.abstention, units)
    texts = [text or "" for text in texts_of(shape, rows).to_pylist()]
    groups = list(memberships(rows, texts, data.group_columns, fairness))
    found = measure_abstention(
        judged, weights.abstention, scores.labels, groups, settings, fairness, evaluation
    )
    return replace(scores, estimates=(*scores.estimates, *found.estimates), abstention=found)


def judged_rows(told: pa.Table, fitted: Abstention, units: Units) -> JudgedRows:
    """What becomes of the test rows under a threshold.

    Args:
        told: with label (class ids) and probabilities, as the evaluation wrote them.
        fitted: the thresholds.
        units: what is drawn.

    """
    flat = told["probabilities"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    probabilities = np.asarray(flat, dtype=np.float64).reshape(told.num_rows, -1)
    truth = told["label"].to_numpy().astype(np.int64)
    best = probabilities.max(axis=1)
    sets = probabilities >= fitted.set_threshold
    return JudgedRows(
        scores=best,
        truth=truth,
        answered=best >= fitted.threshold,
        right=probabilities.argmax(axis=1) == truth,
        in_set=sets[np.arange(len(truth)), truth],
        set_sizes=sets.sum(axis=1),
        units=units,
    )


def measure_abstention(
    judged: JudgedRows,
    fitted: Abstention,
    labels: tuple[str, ...],
    groups: list[Membership],
    settings: AbstentionSettings,
    fairness: FairnessSettings,
    evaluation: EvaluationSettings,
) -> AbstentionScores:
    """All numbers with their intervals, and the risk-coverage curve.

    Args:
        judged: the test rows.
        fitted: the threshold.
        labels: the label set.
        groups: who the rows are about.
        settings: how few rows are too few.
        fairness: which of the groups are compared.
        evaluation: how intervals are made.

    """
    parts = [
        *((LABEL, label, judged.truth == place) for place, label in enumerate(labels)),
        *_of_groups(groups, fairness),
    ]
    told = [
        quantity
        for attribute, name, members in parts
        for quantity in _of_part(judged, attribute, name, members, len(labels), settings.min_rows)
    ]
    drawn = iter(draw(told, evaluation.repeats, evaluation.seed))
    of_parts = tuple(
        AbstentionPart(
            attribute, name, int(members.sum()), *(next(drawn).estimate for _ in range(_NUMBERS))
        )
        for attribute, name, members in parts
    )
    return AbstentionScores(
        fitted=fitted,
        rows=len(judged.truth),
        overall=_overall(judged, len(labels), settings.min_rows, evaluation),
        parts=of_parts,
        curve=risk_coverage(judged.scores, judged.right),
        on=datetime.now(UTC).date().isoformat(),
    )


# Of a part; see `_of_part`.
_NUMBERS: Final = 6


def _of_groups(
    groups: list[Membership], fairness: FairnessSettings
) -> Iterator[tuple[str, str, Bools]]:
    for member in groups:
        for group in compared_groups(member, fairness):
            if group in member.groups:
                yield member.attribute, group, member.rows[:, member.groups.index(group)]


def _overall(
    judged: JudgedRows, labels: int, least: int, evaluation: EvaluationSettings
) -> tuple[Estimate, ...]:
    answered, wrong = judged.answered, ~judged.right
    everyone = np.ones(len(wrong), np.bool_)
    measures = [
        _share(COVERAGE, answered, everyone),
        _share(SELECTIVE_RISK, wrong, answered, better=False),
        _share(ERROR_RATE, answered & wrong, everyone, better=False),
        _share(SET_COVERAGE, judged.in_set, everyone),
        _sizes(judged, everyone, labels),
    ]
    named = [(FAMILY, one) for one in measures]
    made = levels(named, judged.units, evaluation.repeats, evaluation.seed)
    if reason := _too_few("answers", answered, judged.units, least):
        made[1] = undetermined(made[1].name, int(answered.sum()), reason)
    return tuple(made)


def _of_part(
    judged: JudgedRows, attribute: str, name: str, members: Bools, labels: int, least: int
) -> Iterator[Quantity]:
    """Quantities in the order of `AbstentionPart`."""
    family, units = f"{FAMILY}.{attribute}", judged.units
    reason = _too_few("rows of it", members, units, least)
    others = reason or _too_few("all other rows", ~members, units, least)
    for measured, values in ((COVERAGE, judged.answered), (SET_COVERAGE, judged.in_set)):
        inside = _share(measured, values, members)
        outside = _share(measured, values, ~members)
        level = level_of(family, inside, units, name=f"{family}.{measured}.{name}")
        gap = replace(
            gain_of(family, inside, outside, units),
            name=f"{family}.{measured}{GAP}.{name}",
            n=int(members.sum()),
        )
        yield replace(level, reason=reason)
        yield replace(gap, reason=others)
        if measured == COVERAGE:
            answered = members & judged.answered
            risk = _share(SELECTIVE_RISK, ~judged.right, answered, better=False)
            risk_name = f"{family}.{SELECTIVE_RISK}.{name}"
            yield replace(
                level_of(family, risk, units, name=risk_name),
                reason=reason or _too_few("answers to it", answered, units, least),
            )
    size_name = f"{family}.{SET_SIZE}.{name}"
    size = level_of(family, _sizes(judged, members, labels), units, name=size_name)
    yield replace(size, reason=reason)


def _share(name: str, values: Bools, counted: Bools, *, better: bool = True) -> Measure:
    """A share of those rows that count; rows of like values are alike."""
    if counted.all() and len(counted):
        return mean_of(name, values.astype(np.float64), greater_is_better=better)
    found = mean_of_some(name, values.astype(np.float64), counted, greater_is_better=better)
    return replace(found, alike=np.where(counted, 1 + values.astype(np.int64), 0))


def _sizes(judged: JudgedRows, counted: Bools, labels: int) -> Measure:
    sizes, most = judged.set_sizes.astype(np.float64), float(labels)
    if counted.all() and len(counted):
        return mean_of(SET_SIZE, sizes, high=most, greater_is_better=False)
    found = mean_of_some(SET_SIZE, sizes, counted, high=most, greater_is_better=False)
    return replace(found, alike=np.where(counted, 1 + judged.set_sizes, 0))


def _too_few(what: str, rows: Bools, units: Units, least: int) -> str:
    """Why nothing is judged of some rows; empty where it is."""
    count = int(rows.sum())
    if count < least:
        return f"{what} are {count}; abstention.min_rows asks for {least}"
    if units.clustered:
        clusters = int(clusters_of_groups(units, rows[:, None]).min())
        if clusters < MIN_CLUSTERS:
            return f"{what} are of {clusters} clusters; {MIN_CLUSTERS} would do"
    return ""


def risk_coverage(scores: Floats, right: Bools) -> tuple[RiskPoint, ...]:
    """Wrong answers among the surest of the rows, for up to `CURVE_POINTS` shares of them.

    Rows of one score are answered together (El-Yaniv and Wiener 2010, "On the foundations of
    noise-free selective classification").

    Args:
        scores: (N,).
        right: (N,).

    """
    order = np.argsort(-scores, kind="stable")
    held, wrong = scores[order], np.cumsum(~right[order])
    ends = np.flatnonzero(np.append(held[:-1] > held[1:], True))
    places = np.unique(np.linspace(0, len(ends) - 1, min(CURVE_POINTS, len(ends))).astype(int))
    return tuple(
        RiskPoint(float((end + 1) / len(scores)), float(wrong[end] / (end + 1)))
        for end in ends[places]
    )
