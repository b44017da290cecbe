"""Words that change places, go and come; negations and placeholders stay where they are."""

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.perturbations.draws import random_of, rank_of
from tasks.perturbations.untouched import is_untouched, negations_of
from tasks.perturbations.words import count_of, delete_words, insert_words, swap_words

WORD = st.text("abcdefghij", min_size=1, max_size=6)
KEPT = st.sampled_from(["not", "[MAIL]", "don't", "never,"])
TEXTS = st.lists(WORD | KEPT, min_size=1, max_size=12).map(" ".join)
STRENGTHS = st.floats(0.01, 0.5)


def test_a_draw_follows_from_its_names_alone() -> None:
    assert random_of(3, "a", "b").random() == random_of(3, "a", "b").random()
    others = [(4, ("a", "b")), (3, ("a", "c")), (3, ("ab", ""))]
    assert all(random_of(s, *n).random() != random_of(3, "a", "b").random() for s, n in others)
    assert rank_of(0, "a") == rank_of(0, "a") != rank_of(0, "b")
    assert 0 <= rank_of(0, "a") < 2**64


@pytest.mark.parametrize(("strength", "words", "changed"), [(0.1, 30, 3), (0.1, 3, 1), (0.5, 9, 4)])
def test_a_share_of_the_words_changes_and_one_at_least(
    strength: float, words: int, changed: int
) -> None:
    assert count_of(strength, words) == changed


@given(TEXTS, STRENGTHS, st.integers(0, 99))
def test_swapped_words_are_the_same_words_and_kept_ones_stay(
    text: str, strength: float, seed: int
) -> None:
    changed = swap_words(text, strength, random_of(seed))
    before = text.split()
    movable = [word for word in before if not is_untouched(word)]
    assert (changed is None) == (len(movable) < 2)
    if changed is None:
        return
    after = changed.split()
    assert Counter(after) == Counter(before)
    for place, word in enumerate(before):
        assert not is_untouched(word) or after[place] == word
    moved = sum(one != other for one, other in zip(before, after, strict=True))
    assert moved <= 2 * count_of(strength, len(movable))


@given(TEXTS, STRENGTHS, st.integers(0, 99))
def test_a_deletion_leaves_out_as_many_words_as_it_says(
    text: str, strength: float, seed: int
) -> None:
    changed = delete_words(text, strength, random_of(seed))
    before = text.split()
    movable = sum(not is_untouched(word) for word in before)
    assert (changed is None) == (movable < 2)
    if changed is None:
        return
    after = changed.split()
    gone = min(count_of(strength, movable), movable - 1)
    assert len(after) == len(before) - gone
    left = iter(before)
    assert all(word in left for word in after)  # in their order
    assert negations_of(changed) == negations_of(text)


@given(TEXTS, TEXTS, STRENGTHS, st.integers(0, 99))
def test_inserted_words_are_of_the_donor_and_no_negation(
    text: str, donor: str, strength: float, seed: int
) -> None:
    changed = insert_words(text, strength, random_of(seed), donor)
    lendable = {word for word in donor.split() if not is_untouched(word)}
    assume(len(text.split()) > 1)
    if changed is None:
        assert sum(not is_untouched(word) for word in donor.split()) < 2
        return
    before, after = text.split(), changed.split()
    come = Counter(after) - Counter(before)
    assert sum(come.values()) == count_of(strength, len(before))
    assert set(come) <= lendable
    assert negations_of(changed) == negations_of(text)


def test_white_space_stays_between_the_words() -> None:
    assert swap_words("one\n\ntwo", 0.1, random_of(0)) == "two\n\none"
    assert delete_words("one", 0.1, random_of(0)) is None
    assert insert_words("one", 0.1, random_of(0), "two three") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is not good, and never was", {"not": 1, "never": 1}),
        ("I don\u2019t; you DIDN'T", {"don\u2019t": 1, "didn't": 1}),
        ("这本书不好。没有用", {"不": 1, "没": 1}),
        ("Knot, nothings and another", {}),
    ],
)
def test_negations_are_found_in_english_and_chinese(text: str, found: dict[str, int]) -> None:
    assert negations_of(text) == found


def test_placeholders_of_personal_data_are_untouched() -> None:
    assert is_untouched("([MAIL]),")
    assert is_untouched("not.")
    assert not is_untouched("[mail]")
