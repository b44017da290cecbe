"""Keys beside the right one, and misspelt words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.perturbations.draws import random_of
from tasks.perturbations.noise import add_noise
from tasks.perturbations.typing_noise import KEYS_BESIDE, keyboard_noise, spelling_noise
from tasks.perturbations.words import count_of

WORD = st.text("abcdefghijklmnopqrstuvwxyzABC", min_size=1, max_size=8)
OTHER = st.sampled_from(["not", "[MAIL_ADDRESS]", "1,000", "doesn't", "是的"])
TEXTS = st.lists(WORD | OTHER, min_size=1, max_size=10).map(" ".join)
LONG = re.compile(r"\b[A-Za-z]{4,}\b")


def test_keys_touch_those_beside_above_and_below() -> None:
    assert set(KEYS_BESIDE["s"]) == set("adwezx")
    assert set(KEYS_BESIDE["q"]) == set("wa")
    assert set(KEYS_BESIDE["p"]) == set("ol")
    assert set(KEYS_BESIDE["m"]) == set("njk")
    for key, beside in KEYS_BESIDE.items():
        assert all(key in KEYS_BESIDE[other] for other in beside)


@given(TEXTS, st.floats(0.01, 0.5), st.integers(0, 99))
def test_a_wrong_key_is_an_inner_letter_beside_the_right_one(
    text: str, strength: float, seed: int
) -> None:
    changed = keyboard_noise(text, strength, random_of(seed))
    if changed is None:
        assert all(
            one in {"not", "[MAIL_ADDRESS]", "doesn't"} or len(one) < 4 or not LONG.search(one)
            for one in text.split()
        )
        return
    assert len(changed) == len(text)
    hits = [n for n, (one, other) in enumerate(zip(text, changed, strict=True)) if one != other]
    assert len(hits) >= 1
    for n in hits:
        assert changed[n].lower() in KEYS_BESIDE[text[n].lower()]
        assert changed[n].isupper() == text[n].isupper()
        assert text[n - 1].isalpha()  # never the first letter
    for kept in ("[MAIL_ADDRESS]", "1,000", "doesn't", "是的"):
        assert changed.split().count(kept) == text.split().count(kept)


@given(TEXTS, st.floats(0.01, 0.5), st.integers(0, 99))
def test_misspelt_words_keep_their_first_letter_and_others_stay(
    text: str, strength: float, seed: int
) -> None:
    changed = spelling_noise(text, strength, random_of(seed))
    if changed is None:
        return
    before, after = text.split(), changed.split()
    assert len(before) == len(after)
    touched = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    long_words = sum(len(one) >= 4 for one in before)
    assert len(touched) <= count_of(strength, long_words)
    for one, other in touched:
        assert len(one) >= 4
        assert one[0] == other[0]
        assert abs(len(one) - len(other)) <= 1


def test_what_has_no_long_word_is_left_alone() -> None:
    for text in ("a cat", "not", "12345 [MAIL]", "这本书"):
        assert keyboard_noise(text, 0.5, random_of(0)) is None
        assert spelling_noise(text, 0.5, random_of(0)) is None


@pytest.mark.parametrize("text", ["profits of the bank were higher", "我今天去商场买东西"])
def test_noise_of_test_rows_suits_their_script(text: str) -> None:
    first = add_noise(text, 0.4, random_of(0, "row"))
    assert first == add_noise(text, 0.4, random_of(0, "row"))
    assert first not in {None, text}
    assert add_noise("42", 0.4, random_of(0)) is None
