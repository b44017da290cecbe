"""Measures of language models from the sums alone, and the guesses that they have to beat."""

import math

import numpy as np
import pyarrow as pa
import pytest
import sacrebleu
from scipy.stats import binomtest

from tasks.evaluation.intervals import levels
from tasks.resampling_units import units_of_rows
from tasks.task_types.language_models.answer_measures import answer_chrf, answer_measures
from tasks.task_types.language_models.language_measures import (
    UNICODE,
    character_baseline,
    character_likelihood,
    likelihood_table,
    measure_likelihood,
)
from tasks.task_types.language_models.masked_measures import (
    frequent_word_baseline,
    measure_masked,
    share_of,
)
from tasks.task_types.language_models.masked_words import SUMS
from tasks.task_types.language_models.pair_measures import (
    _shared_words,
    measure_pairs,
    pair_table,
    shared_words_baseline,
)
from tasks.task_types.language_models.sentence_pairs import IS_NEXT, IS_RANDOM, SentencePair
from tasks.task_types.measures import Measured


def by_name(measured: Measured) -> dict[str, float | str]:
    """The value of each measure, or why it has none."""
    return {one.name: one.reason or one.value for one in measured.measures}


def test_likelihood_is_measured_by_token_and_by_byte() -> None:
    nll, tokens, texts = np.array([3.0, 5.0, 0.0]), np.array([2, 4, 0]), ["ab", "书", ""]
    table = pa.table(likelihood_table(nll, tokens, texts))
    assert table.column("bytes").to_pylist() == [2, 3, 0]
    assert table.column("tokens").type == pa.int64()
    measured = measure_likelihood(table)
    assert by_name(measured) == pytest.approx(
        {"bits_per_byte": 8 / math.log(2) / 5, "perplexity": math.exp(8 / 6)}
    )
    assert measured.row_scores == pytest.approx(
        [math.exp(-1.5), math.exp(-5 / 3), np.nan], nan_ok=True
    )
    assert measured.leading == ("bits_per_byte",)
    nothing = measure_likelihood(pa.table(likelihood_table(nll[2:], tokens[2:], texts[2:])))
    assert by_name(nothing) == {
        "bits_per_byte": "the texts have no bytes", "perplexity": "no token was predicted",
    }  # fmt: skip
    byte = measure_likelihood(pa.table(likelihood_table(nll[:1], np.array([1]), ["a"])))
    assert byte.row_scores == pytest.approx([math.exp(-3)])
    # Of rows without tokens or bytes there is no number, whatever they lost.
    without = measure_likelihood(pa.table(likelihood_table(nll[:2], np.array([2, 0]), ["ab", ""])))
    assert all(math.isnan(one.value_of(np.array([-1, 0]))) for one in without.measures)
    one = measure_likelihood(pa.table(likelihood_table(nll[:1], np.array([1]), texts[:1])))
    assert by_name(one)["perplexity"] == pytest.approx(math.exp(3))


def test_characters_that_were_never_seen_share_one_place() -> None:
    """Three signs were seen, of two kinds: a twice, b once; six places with those kept."""
    found = character_likelihood(["ab", "a"], ["a", "b", "ab", "c", "", "aac"])
    a, b, unseen = math.log(6 / 3), math.log(6 / 2), math.log(6 * UNICODE)
    assert found == pytest.approx([a, b, a + b, unseen, 0, 2 * a + unseen])
    table = character_baseline(["ab", "a"], ["a", "书"])
    assert table.column("nll").to_pylist() == pytest.approx([a, unseen])
    assert table.column("tokens").to_pylist() == [0, 0]
    assert table.column("bytes").to_pylist() == [1, 3]


def sums(*rows: tuple[float, ...]) -> dict[str, np.ndarray]:
    return dict(zip(SUMS, np.array(rows, dtype=np.float64).T, strict=True))


def test_hidden_words_and_tokens_are_counted_over_all_rows() -> None:
    measured = measure_masked(pa.table(sums((4.0, 5, 3, 2, 1), (6.0, 3, 1, 6, 2), (0, 0, 0, 0, 0))))
    assert by_name(measured) == pytest.approx(
        {
            "masked_accuracy": 3 / 8, "masked_token_accuracy": 4 / 8,
            "pseudo_perplexity": math.exp(10 / 8),
        }
    )  # fmt: skip
    assert measured.row_scores == pytest.approx([1 / 2, 1 / 3, np.nan], nan_ok=True)
    assert measure_masked(pa.table(sums((1, 1, 1, 1, 1)))).row_scores.tolist() == [1]
    nothing = measure_masked(pa.table(sums((0, 0, 0, 0, 0))))
    assert by_name(nothing) == {
        "masked_accuracy": "nothing was asked of these rows",
        "masked_token_accuracy": "nothing was asked of these rows",
        "pseudo_perplexity": "no token was predicted",
    }
    one = share_of("x", np.array([1.0]), np.array([1.0]))
    assert (one.value, one.reason, one.by_token) == (1, "", False)


def test_the_guess_is_the_most_frequent_word_and_of_equals_the_first() -> None:
    answers = frequent_word_baseline(["b a", "B a c"], ["a", "b", "A"])
    assert answers.column("right_words").to_pylist() == [1, 0, 1]
    assert answers.column("words").to_pylist() == [1, 1, 1]
    assert answers.column_names == list(SUMS)
    assert answers.column("nll").to_pylist() == answers.column("tokens").to_pylist() == [0, 0, 0]


PAIRS = [
    SentencePair(0, "a b", "a c", IS_NEXT), SentencePair(0, "a b", "c d", IS_RANDOM),
    SentencePair(2, "a b c d", "b", IS_NEXT), SentencePair(2, "", "a", IS_RANDOM),
]  # fmt: skip


def test_pairs_are_summed_by_document_and_follow_from_one_half_on() -> None:
    hidden = np.arange(20.0).reshape(4, 5)
    table = pair_table(PAIRS, np.array([0.5, 0.5, 0.49, 0.1]), hidden, 3)
    assert table.column("pairs").to_pylist() == [2, 0, 2]
    assert table.column("right_pairs").to_pylist() == [1, 0, 1]
    for place, name in enumerate(SUMS):
        of = hidden[:, place]
        assert table.column(name).to_pylist() == [of[0] + of[1], 0, of[2] + of[3]]
    measured = measure_pairs(table)
    assert measured.row_scores == pytest.approx([1 / 2, np.nan, 1 / 2], nan_ok=True)
    assert by_name(measured)["next_sentence_accuracy"] == 1 / 2
    assert measured.leading == ("next_sentence_accuracy", "masked_accuracy")


def test_words_are_shared_as_far_as_the_shorter_sentence_goes() -> None:
    assert _shared_words(PAIRS) == pytest.approx([1 / 2, 0, 1, 0])
    assert _shared_words([SentencePair(0, "A b", "a B c", IS_NEXT)]) == pytest.approx([1])


def test_the_training_pairs_tell_how_many_words_are_enough() -> None:
    """Half of the words are enough there; of pairs that none tells apart, none follows."""
    test = [SentencePair(0, "a b", "b x", IS_NEXT), SentencePair(1, "a b", "x y", IS_NEXT)]
    found = shared_words_baseline(PAIRS, test, 2)
    assert found.column("right_pairs").to_pylist() == [1, 0]
    strange = [SentencePair(0, "a b", "a b", IS_RANDOM), SentencePair(0, "a", "c", IS_RANDOM)]
    found = shared_words_baseline(strange, test, 2)
    assert found.column("right_pairs").to_pylist() == [0, 0]
    known = [SentencePair(0, "a b", "a b", IS_NEXT), SentencePair(0, "a", "c", IS_NEXT)]
    found = shared_words_baseline(known, test, 2)
    assert found.column("right_pairs").to_pylist() == [1, 1]
    assert shared_words_baseline([], test, 2) == "the training texts have no pairs of sentences"
    empty = [SentencePair(0, "", "", IS_NEXT)]
    assert shared_words_baseline(empty, test, 2) == "the training texts have no words"


def test_answers_are_compared_over_the_rows_that_were_answered() -> None:
    targets, given = ["the cat sat", "a dog", "不知道"], ["the cat sits", None, "知道"]
    one = answer_chrf(targets, given)
    expected = sacrebleu.corpus_chrf([given[0], given[2]], [[targets[0], targets[2]]]).score
    assert one.value == pytest.approx(expected)
    assert one.value_of(np.array([-1, 0, 0])) == pytest.approx(
        sacrebleu.corpus_chrf([given[2]], [[targets[2]]]).score
    )
    # The pseudo-rows have the mean length of the rows that were answered.
    assert one.sums is not None
    wrong, right = one.sums.pseudo_rows.reshape(2, 6, 3)
    of_rows = one.sums.by_unit(np.array([0, -1, 1]), 2).reshape(2, 6, 3)
    length = of_rows[:, :, 1].mean(axis=0)
    assert np.array_equal(wrong, np.stack([length, length, np.zeros(6)], axis=1))
    assert np.array_equal(right, np.stack([length] * 3, axis=1))
    nothing = answer_chrf(targets, [None] * 3)
    assert (nothing.reason, nothing.rows) == ("no row was answered", 3)
    assert answer_chrf(["a"], [""]).value == 0


def test_answers_are_matched_as_they_are_and_as_squad_reads_them() -> None:
    targets = ["A late goal.", "By 3", "书在桌子上。", "rates", "never asked"]
    given = ["late goal", " By 3 ", "书在桌子上", "bank", None]
    found = {one.name: one for one in answer_measures(targets, given)}
    assert found["exact_match"].value == 1 / 4
    assert found["normalised_match"].value == 3 / 4
    assert {one.rests_on for one in found.values()} == {4}
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    latin = [scorer.score(targets[n], given[n] or "")["rougeL"].fmeasure for n in (0, 1, 3)]
    assert found["rouge_l"].value == pytest.approx((sum(latin) + 1) / 4)
    nothing = answer_measures(["a", "b"], [None, None])
    assert {one.reason for one in nothing} == {"no row was answered"}


def test_a_share_of_answers_has_the_interval_of_those_that_were_asked() -> None:
    random = np.random.default_rng(4)
    targets = [f"answer {n}" for n in range(300)]
    given = [
        (target if random.random() < 0.6 else "no") if n % 3 == 0 else None
        for n, target in enumerate(targets)
    ]
    exact = answer_measures(targets, given)[0]
    units = units_of_rows([f"{n:03d}" for n in range(300)])
    (level,) = levels([("quality", exact)], units, 10_000, 0)
    hits = round(exact.value * 100)
    interval = binomtest(hits, 100).proportion_ci(0.95, method="exact")
    assert level.n == 100
    assert level.ladder[0] == pytest.approx((interval.low, interval.high), abs=0.02)
