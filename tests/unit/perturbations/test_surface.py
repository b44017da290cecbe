"""How a text is written: case, marks, gaps, accents."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.perturbations.draws import random_of
from tasks.perturbations.surface import (
    change_gaps,
    drop_accents,
    drop_punctuation,
    lower_case,
    upper_case,
)

PART = st.sampled_from(
    ["Bank", "rates", "not", "[MAIL]", "3.5", "don't", "café", "e.g.", "rose,", "(up)", "好。", "i"]
)
TEXTS = st.lists(PART, min_size=1, max_size=12).map(" ".join)
STRENGTHS = st.floats(0.01, 1)


def draws() -> Random:
    return random_of(0, "test")


def test_case_changes_all_but_placeholders() -> None:
    assert lower_case("The BANK [MAIL] é", 1, draws()) == "the bank [MAIL] é"
    assert upper_case("The bank [MAIL] é", 1, draws()) == "THE BANK [MAIL] É"
    assert lower_case("42 好 [MAIL]", 1, draws()) is None
    assert upper_case("42 好", 1, draws()) is None


def test_marks_within_a_word_stay() -> None:
    text = 'He said: "3.5% (up), don\'t!" 好。'
    assert drop_punctuation(text, 1, draws()) == "He said 3.5% up don't 好"
    assert drop_punctuation("no mark 3.5 [MAIL]", 1, draws()) is None
    assert drop_punctuation("...", 1, draws()) is None  # nothing would be left


@given(TEXTS, STRENGTHS, st.integers(0, 50))
def test_what_is_dropped_are_marks_alone(text: str, strength: float, seed: int) -> None:
    changed = drop_punctuation(text, strength, random_of(seed))
    if changed is None:
        return
    assert len(changed) < len(text)
    left = iter(text)
    assert all(sign in left for sign in changed)  # in the same order
    kept = "".join(sign for sign in text if sign.isalnum() or sign == " ")
    assert "".join(sign for sign in changed if sign.isalnum() or sign == " ") == kept


@given(TEXTS, STRENGTHS, st.integers(0, 50))
def test_gaps_alone_change_and_not_beside_a_negation(text: str, strength: float, seed: int) -> None:
    changed = change_gaps(text, strength, random_of(seed))
    if changed is None:
        return
    assert changed != text
    assert changed.replace(" ", "") == text.replace(" ", "")
    for word in ("not", "don't", "[MAIL]"):
        assert changed.split().count(word) == text.split().count(word)


def test_gaps_are_lost_or_doubled() -> None:
    text = " ".join(f"w{n}" for n in range(200))
    changed = change_gaps(text, 0.5, draws())
    assert changed is not None
    doubled = changed.count("  ")
    lost = 199 - changed.count(" ") + doubled
    assert doubled + lost == 100
    assert 30 < doubled < 70
    assert change_gaps("alone", 1, draws()) is None


@pytest.mark.parametrize(
    ("text", "plain"),
    [("Café à Zürich", "Cafe a Zurich"), ("ß plain", None), ("が 好", None), ("naïve", "naive")],
)
def test_accents_of_latin_letters_are_lost(text: str, plain: str | None) -> None:
    assert drop_accents(text, 1, draws()) == plain
