"""What is asked of two sides, and what to look at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.drift.domain_classifier import Domains, Features, make_features, measure_domains
from tasks.drift.embeddings import measure_embeddings
from tasks.drift.labels import label_shares, measure_labels
from tasks.drift.lengths import histograms, measure_lengths, measure_lengths_by_cluster
from tasks.drift.measurement import DIGITS, Measurement, Question
from tasks.drift.permutations import Membership, Permutations, pair, too_few
from tasks.drift.row_samples import RowSample, SampledRow, clusters_of
from tasks.drift.settings import DriftSettings
from tasks.drift.text_vectors import TextVectors
from tasks.drift.unknown_tokens import count_unknown, measure_unknown
from tasks.drift.words import WordCounts, count_words, measure_vocabulary
from tasks.records.data import Histogram, NewRow
from tasks.task_types.rows import RowShape

# With fewer rows on a side no check tells anything.
MIN_ROWS = 50
TELLING_WORDS = 20
EXCERPT_CHARACTERS = 60

LABEL_SHARES = "drift.label_shares"
TEXT_LENGTH = "drift.text_length"
VOCABULARY = "drift.vocabulary"
UNKNOWN_TOKENS = "drift.unknown_tokens"
DOMAIN_CLASSIFIER = "drift.domain_classifier"
EMBEDDINGS = "drift.embeddings"
# What only a pretrained base model can tell.
OF_TEXTS = (VOCABULARY, UNKNOWN_TOKENS, DOMAIN_CLASSIFIER, EMBEDDINGS)
OF_THE_MODEL = frozenset({UNKNOWN_TOKENS, EMBEDDINGS})


@dataclass(frozen=True)
class Findings:
    """What all checks measured, and what to look at; as in `Drift`."""

    measurements: tuple[Measurement, ...]
    label_shares: dict[str, tuple[float, float]]
    lengths: tuple[Histogram, Histogram]
    newest_rows: tuple[NewRow, ...] = ()
    discriminating_words: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class SampledTexts:
    """The texts of both samples, each once, in an order that does not depend on the sides.

    Attributes:
        keys: hash of each row_id, (U,).
        characters: of each whole text, (U,).
        is_new: (U,), whether the row stands now, and nowhere among all rows before.
        membership: of the U rows.

    """

    keys: NDArray[np.uint64]
    row_ids: tuple[str, ...]
    texts: tuple[str, ...]
    characters: NDArray[np.int64]
    is_new: NDArray[np.bool_]
    membership: Membership


def questions_of(
    settings: DriftSettings, shape: RowShape, *, has_model: bool = True
) -> dict[str, Question]:
    """The questions by name.

    Args:
        settings: limits.
        shape: rows without classes are not asked for their shares.
        has_model: without a pretrained base model, nobody can be asked what it finds new.

    """
    asked = (
        (LABEL_SHARES, "Jensen-Shannon distance of label shares", settings.max_label_distance),
        (TEXT_LENGTH, "Kolmogorov-Smirnov distance of lengths", settings.max_length_distance),
        (VOCABULARY, "Jensen-Shannon distance of word shares", settings.max_vocabulary_distance),
        (UNKNOWN_TOKENS, "change of unknown tokens' share", settings.max_unknown_share_change),
        (DOMAIN_CLASSIFIER, "area under the ROC curve, now or before", settings.max_domain_auc),
        (EMBEDDINGS, "squared maximum mean discrepancy", settings.max_embedding_distance),
    )
    return {
        name: Question(name, effect, limit, of_equals=0.5 if name == DOMAIN_CLASSIFIER else 0.0)
        for name, effect, limit in asked
        if (name != LABEL_SHARES or shape.label_column) and (has_model or name not in OF_THE_MODEL)
    }


def measure_sides(
    before: RowSample,
    now: RowSample,
    questions: dict[str, Question],
    base_folder: Path | None,
    settings: DriftSettings,
    vectors: TextVectors | None = None,
) -> Findings:
    """Answer every question that these rows can answer.

    Args:
        before: rows of the one side.
        now: rows of the other.
        questions: that are asked, by name.
        base_folder: the base model; None where only what needs none is asked.
        settings: limits.
        vectors: of that base model, which know the rows that an earlier comparison has embedded.

    """
    rows = (before.rows, now.rows)
    found = Findings((), label_shares(before, now), histograms(before, now))
    if min(rows) < MIN_ROWS:
        reason = f"{rows[0]:,} and {rows[1]:,} rows; either side needs {MIN_ROWS}"
        untold = tuple(question.untold(reason, rows) for question in questions.values())
        return replace(found, measurements=untold)
    permutations = Permutations(settings.permutations, settings.seed)
    of_all = [_ask_of_lengths(before, now, questions[TEXT_LENGTH], permutations)]
    if LABEL_SHARES in questions:
        of_all.insert(0, measure_labels(questions[LABEL_SHARES], before, now, permutations))
    found = replace(found, measurements=tuple(of_all))
    if base_folder and vectors is None:
        vectors = TextVectors(base_folder)
    return _ask_of_texts(found, before, now, questions, base_folder, settings, vectors)


def _ask_of_lengths(
    before: RowSample, now: RowSample, question: Question, permutations: Permutations
) -> Measurement:
    """Of all rows, or of the samples where rows have clusters: these are not counted by length."""
    drawn = sample_texts(before.sample, now.sample, before.keys)
    sides = drawn.membership
    if sides.clusters is None:
        return measure_lengths(question, before, now)
    if sides.is_equal:
        return question.of_same_rows(sides.rows)
    if reason := too_few(sides):
        return question.untold(reason, sides.rows)
    return measure_lengths_by_cluster(question, drawn.characters, sides, permutations)


def _ask_of_texts(
    found: Findings,
    before: RowSample,
    now: RowSample,
    questions: dict[str, Question],
    base_folder: Path | None,
    settings: DriftSettings,
    vectors: TextVectors | None,
) -> Findings:
    """What was found, and what the texts of the samples tell."""
    drawn = sample_texts(before.sample, now.sample, before.keys)
    sides = drawn.membership
    if sides.is_equal:
        asked_of = (questions[name] for name in OF_TEXTS if name in questions)
        equal = (question.of_same_rows(sides.rows) for question in asked_of)
        return replace(found, measurements=(*found.measurements, *equal))
    if reason := too_few(sides):
        asked_of = (questions[name] for name in OF_TEXTS if name in questions)
        untold = (question.untold(reason, sides.rows) for question in asked_of)
        return replace(found, measurements=(*found.measurements, *untold))
    permutations = Permutations(settings.permutations, settings.seed)
    counts = count_words(drawn.texts)
    told = [measure_vocabulary(questions[VOCABULARY], counts, sides, permutations)]
    if base_folder:
        unknown = count_unknown(base_folder, drawn.texts)
        told.append(measure_unknown(questions[UNKNOWN_TOKENS], unknown, sides, permutations))
    found = replace(found, measurements=(*found.measurements, *told))
    if DOMAIN_CLASSIFIER in questions:
        asked = questions[DOMAIN_CLASSIFIER]
        found = _ask_of_domains(found, drawn, counts, asked, permutations, settings.newest_rows)
    if vectors:
        seen = _ask_of_embeddings(before, now, questions[EMBEDDINGS], vectors, settings)
        found = replace(found, measurements=(*found.measurements, seen))
    return found


def _ask_of_domains(
    found: Findings,
    drawn: SampledTexts,
    counts: WordCounts,
    question: Question,
    permutations: Permutations,
    most_rows: int,
) -> Findings:
    """What was found, and what a classifier tells of the sides."""
    features = make_features(counts)
    domains = measure_domains(question, features, drawn.keys, drawn.membership, permutations)
    return replace(
        found,
        measurements=(*found.measurements, domains.measurement),
        newest_rows=newest_rows(drawn, domains, most_rows),
        discriminating_words=discriminating_words(features, domains),
    )


def _ask_of_embeddings(
    before: RowSample,
    now: RowSample,
    question: Question,
    vectors: TextVectors,
    settings: DriftSettings,
) -> Measurement:
    """The base model is slow, so it reads a part of the samples."""
    most = settings.embedding_rows
    drawn = sample_texts(before.sample[:most], now.sample[:most], before.keys)
    if drawn.membership.is_equal:
        return question.of_same_rows(drawn.membership.rows)
    if reason := too_few(drawn.membership):
        return question.untold(reason, drawn.membership.rows)
    permutations = Permutations(settings.permutations, settings.seed)
    return measure_embeddings(question, vectors.of(drawn.texts), drawn.membership, permutations)


def sample_texts(
    before: Sequence[SampledRow], now: Sequence[SampledRow], keys_before: NDArray[np.uint64]
) -> SampledTexts:
    """Both samples as texts; a row whose clean text changed is one that went and one that came."""
    first, second = (
        [(row.key, row.row_id, row.text, row.characters) for row in rows] for rows in (before, now)
    )
    rows, membership = pair(first, second)
    keys = np.array([row[0] for row in rows], np.uint64)
    clusters = clusters_of((*before, *now), keys.tolist())
    return SampledTexts(
        keys=keys,
        row_ids=tuple(row_id for _, row_id, _, _ in rows),
        texts=tuple(text for _, _, text, _ in rows),
        characters=np.array([characters for *_, characters in rows], np.int64),
        is_new=membership.now & ~np.isin(keys, keys_before),
        membership=membership.in_clusters(clusters),
    )


def newest_rows(drawn: SampledTexts, domains: Domains, most: int) -> tuple[NewRow, ...]:
    """The rows of highest score among those that were not there before at all."""
    new = np.flatnonzero(drawn.is_new) if len(domains.scores) else np.array([], np.int64)
    order = new[np.argsort(-domains.scores[new], kind="stable")][:most]
    return tuple(
        NewRow(
            drawn.row_ids[row],
            round(float(domains.scores[row]), DIGITS),
            " ".join(drawn.texts[row].split())[:EXCERPT_CHARACTERS],
        )
        for row in order.tolist()
    )


def discriminating_words(features: Features, domains: Domains) -> tuple[tuple[str, float], ...]:
    """The words of largest weight that speak for now."""
    order = np.argsort(-domains.word_weights, kind="stable")[:TELLING_WORDS]
    told = [
        (features.words[word], round(float(domains.word_weights[word]), DIGITS)) for word in order
    ]
    return tuple((word, weight) for word, weight in told if weight > 0)
