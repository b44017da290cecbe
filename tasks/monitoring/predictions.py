"""Whether the answers of a window are those that the version gave when it was evaluated.

There is no row on both sides, and a label has one distribution on each: the same equivalence as of
the inputs is asked, label shares by the Jensen-Shannon distance and confidence by the distance of
Kolmogorov and Smirnov. An answer that the model wrote has no label: there it is the distance of the
lengths, of which an empty answer is the shortest. What answers of a task type do not have is not
asked. Where all answers can be counted, they are; where requests hold several
rows, or a label is rare, the samples are compared by permutation.
"""

from collections import Counter
from typing import Final

import numpy as np

from tasks.drift.intervals import of_largest_gap
from tasks.drift.labels import chi_square_p, divergence_of, least_expected, measure_labels
from tasks.drift.lengths import kolmogorov_smirnov_p, largest_gap, measure_lengths_by_cluster
from tasks.drift.measurement import Measurement, Question
from tasks.drift.permutations import Permutations, pair, too_few, variance_factor
from tasks.drift.row_samples import RowSample, SampledRow, clusters_of, numbers_of
from tasks.monitoring.answers import AnswerCounts, Sampled
from tasks.monitoring.settings import MonitorSettings

LABEL_SHARES: Final = "predictions.label_shares"
CONFIDENCE: Final = "predictions.confidence"
ANSWER_LENGTH: Final = "predictions.answer_length"
# The chi-square distribution is near enough from here on; see tasks.drift.labels.
_MIN_EXPECTED: Final = 5.0


def prediction_questions(settings: MonitorSettings, *sides: AnswerCounts) -> tuple[Question, ...]:
    """What is asked of answers: of their labels or what they wrote, and of their confidence.

    At most two questions, by which the level of each check is set. Where nothing is known of the
    answers, those of labels and confidence.

    Args:
        settings: the limits.
        sides: answers of the evaluation and of a window, where there are some.

    """
    labels = Question(
        LABEL_SHARES,
        "Jensen-Shannon distance of predicted label shares",
        settings.max_prediction_distance,
    )
    confidence = Question(
        CONFIDENCE,
        "Kolmogorov-Smirnov distance of confidence",
        settings.max_confidence_distance,
    )
    length = Question(
        ANSWER_LENGTH,
        "Kolmogorov-Smirnov distance of the length of answers",
        settings.max_answer_length_distance,
    )
    if not any(side.rows for side in sides):
        return labels, confidence
    has_labels = any(side.label_rows for side in sides)
    asked = [
        (labels, has_labels),
        (length, not has_labels and any(side.written_rows for side in sides)),
        (confidence, any(side.confident_rows for side in sides)),
    ]
    return tuple(question for question, is_asked in asked if is_asked)


def measure_predictions(
    before: AnswerCounts, now: AnswerCounts, settings: MonitorSettings
) -> tuple[Measurement, ...]:
    """Compare the answers of a window with those of the evaluation."""
    permutations = Permutations(settings.permutations, settings.seed)
    several = now.shared_requests()
    sides = before.sampled(frozenset()), now.sampled(several)
    lengths = before.sampled(frozenset(), by_length=True), now.sampled(several, by_length=True)
    clustered = bool(several)
    found = []
    for question in prediction_questions(settings, before, now):
        if question.name == LABEL_SHARES:
            one = _of_labels(question, before, now, sides, permutations, clustered=clustered)
        elif question.name == ANSWER_LENGTH:
            counts = before.lengths, now.lengths
            one = _of_numbers(question, counts, lengths, permutations, clustered=clustered)
        else:
            counts = before.bounded_confidences, now.bounded_confidences
            one = _of_numbers(question, counts, sides, permutations, clustered=clustered)
        found.append(one)
    return tuple(found)


def _of_labels(
    question: Question,
    before: AnswerCounts,
    now: AnswerCounts,
    sides: tuple[Sampled, Sampled],
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
        distance = divergence_of(counts, np.zeros(len(names), dtype=np.int64))
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


def _of_numbers(
    question: Question,
    counts: tuple[Counter[int], Counter[int]],
    sides: tuple[Sampled, Sampled],
    permutations: Permutations,
    *,
    clustered: bool,
) -> Measurement:
    """The distance of Kolmogorov and Smirnov of a number that each answer has."""
    rows = (counts[0].total(), counts[1].total())
    if min(rows) == 0:
        return question.untold("answers of one side have none", rows)
    if not clustered:
        gap = largest_gap(*counts)
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
