import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.drift.measurement import Question
from tasks.drift.permutations import Membership, Permutations
from tasks.drift.words import count_words, measure_vocabulary, permute_shares, words_of

ASKED = Question("drift.vocabulary", "distance", 0.15)


def halves(count: int) -> Membership:
    first = np.arange(2 * count) < count
    return Membership(first, ~first)


def test_words_are_casefolded_and_characters_of_unspaced_scripts_stand_alone() -> None:
    assert words_of("The STRASSE, the Straße!") == ["the", "strasse", "the", "strasse"]
    assert words_of("价格5折 good") == ["价", "格", "5", "折", "good"]
    assert words_of("ひらカナ한국어 말") == ["ひ", "ら", "カ", "ナ", "한국어", "말"]
    assert words_of("... !") == []
    assert len(words_of("x" * 500)[0]) == 40


@given(st.text())
def test_any_text_has_words_of_bounded_length(text: str) -> None:
    assert all(0 < len(word) <= 40 for word in words_of(text))


def test_words_of_one_row_alone_are_counted_together() -> None:
    counts = count_words(["a b b once", "a b", "never again a"])
    assert counts.words == ("a", "b")
    np.testing.assert_array_equal(counts.table.toarray(), [[1, 2, 1], [1, 1, 0], [1, 0, 2]])


def test_the_most_frequent_words_stand_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.drift.words._MAX_WORDS", 1)
    counts = count_words(["a b", "a b", "a"])
    assert counts.words == ("a",)
    np.testing.assert_array_equal(counts.table.toarray(), [[1, 1], [1, 1], [1, 0]])


def test_texts_without_words_have_none() -> None:
    counts = count_words(["!", "?"])
    assert counts.words == ()
    assert counts.table.shape == (2, 1)
    assert measure_vocabulary(ASKED, counts, halves(1), Permutations(199, 0)).answer is None


def test_the_distance_is_that_of_the_word_shares_by_hand() -> None:
    texts = ["a a b", "b c c", "a c", "c b"]
    first = np.array([True, True, True, False])
    # The second row stands on both sides.
    membership = Membership(first, np.array([False, True, False, True]))
    p = np.array([3, 2, 3]) / 8
    q = np.array([1e-300, 2, 3]) / 5
    middle = (p + q) / 2
    divergence = (p * np.log2(p / middle)).sum() / 2 + (q * np.log2(q / middle))[1:].sum() / 2
    found = permute_shares(count_words(texts).table, membership, Permutations(199, 0), "x")
    assert found.observed == pytest.approx(divergence**0.5)


def test_rare_words_alone_have_no_effect() -> None:
    effects = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        texts = [" ".join(random.choice(3_000, 20).astype(str)) for _ in range(300)]
        counts, permutations = count_words(texts), Permutations(199, seed)
        assert permute_shares(counts.table, halves(150), permutations, "x").observed > 0.4
        found = measure_vocabulary(ASKED, counts, halves(150), permutations)
        assert found.answer is not None
        effects.append(found.answer[0])
    assert np.mean(effects) < ASKED.limit / 2


def test_words_that_come_together_are_no_independent_draws() -> None:
    """A chi-square test of the words would call this drift; there are only forty rows."""
    random = np.random.default_rng(1)
    texts = [f"{'red' if random.random() < 0.5 else 'blue'} " * 200 for _ in range(40)]
    found = measure_vocabulary(ASKED, count_words(texts), halves(20), Permutations(999, 0))
    assert found.answer is not None
    assert found.answer[1] > 0.05


def test_another_vocabulary_is_found() -> None:
    texts = ["the cat sat"] * 30 + ["the dog ran"] * 30
    found = measure_vocabulary(ASKED, count_words(texts), halves(30), Permutations(199, 0))
    assert found.answer is not None
    assert found.answer[0] > 0.7
    assert found.answer[1] == 1 / 200
