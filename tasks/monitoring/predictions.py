"""Whether the answers of a window are those that the version gave when it was evaluated.

There is no row on both sides, and a label has one distribution on each: the same equivalence as of
the inputs is asked, label shares by the Jensen-Shannon distance and confidence by the distance of
Kolmogorov and Smirnov. Where all answers can be counted, they are; where requests hold several
rows, or a label is rare, the samples are compared by permutation.
"""

from typing import Final

import numpy as np

from tasks.drift.intervals import of_largest_gap
from tasks.drift.labels import chi_square_p, divergence_of, least_expected, measure_labels
from tasks.drift.lengths import kolmogorov_smirnov_p, largest_gap, measure_lengths_by_cluster
from tasks.drift.measurement import Measurement, Question
from tasks.drift.permutations import Permutations, pair, too_few, variance_factor
from tasks.drift.row_samples import RowSample, SampledRow, clusters_of, numbers_of
from tasks.monitoring.answers import AnswerCounts
from tasks.monitoring.settings import MonitorSettings

LABEL_SHARES: Final = "predictions.label_shares"
CONFIDENCE: Final = "predictions.confidence"
# The chi-square distribution is near enough from here on; see tasks.drift.labels.
_MIN_EXPECTED: Final = 5.0


def prediction_questions(settings: MonitorSettings) -> tuple[Question, Question]:
    """What is asked of labels, and of confidence."""
    return (
        Question(
            LABEL_SHARES,
            "Jensen-Shannon distance of predicted label shares",
            settings.max_prediction_distance,
        ),
        Question(
            CONFIDENCE,
            "Kolmogorov-Smirnov distance of confidence",
            settings.max_confidence_distance,
        ),
    )


def measure_predictions(
    before: AnswerCounts, now: AnswerCounts, settings: MonitorSettings
) -> tuple[Measurement, ...]:
    """Compare the answers of a window with those of the evaluation."""
    labels, confidence = prediction_questions(settings)
    permutations = Permutations(settings.permutations, settings.seed)
    several = now.shared_requests()
    sides = before.sampled(frozenset()), now.sampled(several)
    return (
        _of_labels(labels, before, now, sides, permutations, clustered=bool(several)),
        _of_confidence(confidence, before, now, sides, permutations, clustered=bool(several)),
    )


def _of_labels(
    question: Question,
    before: AnswerCounts,
    now: AnswerCounts,
    sides: tuple[tuple[SampledRow, ...], tuple[SampledRow, ...]],
    permutations: Permutations,
    *,
    clustered: bool,
) -> Measurement:
    rows = (before.label_rows, now.label_rows)
    if min(rows) == 0:
        return question.untold("the answers of this task type have no label", rows)
    names = sorted({*before.labels, *now.labels})
    if len(names) == 1:
        return question.untold("all answers give one and the same label", rows)
    counts = np.array(
        [[side.labels[name] for name in names] for side in (before, now)], dtype=np.int64
    )
    one_each = before.has_one_label and now.has_one_label
    if not clustered and one_each and least_expected(counts, 0) >= _MIN_EXPECTED:
        distance = divergence_of(counts, 0)
        value, p_value = max(0.0, distance.value) ** 0.5, chi_square_p(counts, 0)
        return question.answered(value, p_value, "chi-square", rows, distance.roots)
    first, second = map(_as_sample, sides)
    return measure_labels(question, first, second, permutations)


def _as_sample(rows: tuple[SampledRow, ...]) -> RowSample:
    """The sampled answers as a side whose labels are compared."""
    held = tuple(row for row in rows if row.labels)
    counts: dict[str, int] = {}
    for row in held:
        for label in row.labels:
            counts[label] = counts.get(label, 0) + 1
    return RowSample(*numbers_of(held), {}, counts, held)


def _of_confidence(
    question: Question,
    before: AnswerCounts,
    now: AnswerCounts,
    sides: tuple[tuple[SampledRow, ...], tuple[SampledRow, ...]],
    permutations: Permutations,
    *,
    clustered: bool,
) -> Measurement:
    rows = (before.confident_rows, now.confident_rows)
    if min(rows) == 0:
        return question.untold("the answers of this task type have no score from 0 to 1", rows)
    if not clustered:
        gap = largest_gap(before.confidences, now.confidences)
        ends = of_largest_gap(gap, variance_factor(*rows, 0), min(rows))
        p_value = kolmogorov_smirnov_p(gap, *rows, 0)
        return question.answered(gap, p_value, "Kolmogorov-Smirnov", rows, ends)
    first, second = ([row for row in side if row.characters >= 0] for side in sides)
    drawn, membership = pair(
        [(row.key, row.characters) for row in first], [(row.key, row.characters) for row in second]
    )
    clusters = clusters_of((*first, *second), [key for key, _ in drawn])
    membership = membership.in_clusters(clusters)
    if reason := too_few(membership):
        return question.untold(reason, membership.rows)
    steps = np.array([step for _, step in drawn], np.int64)
    return measure_lengths_by_cluster(question, steps, membership, permutations)
