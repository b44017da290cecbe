"""The same in other words, in other forms, and as a machine misreads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.perturbations.chinese_forms import full_width, traditional
from tasks.perturbations.draws import random_of
from tasks.perturbations.misreadings import READ_AS, misread
from tasks.perturbations.untouched import negations_of
from tasks.perturbations.wordings import contract, lengthen, paraphrase

ZH = "我们在北京买了3个Phone, 非常好 [MAIL]"


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("It is not good and I am sad", "It's not good and I'm sad"),
        ("Do not go", "Don't go"),
        ("That is what it is.", "That's what it is."),  # none stands at the end of a sentence
        ("They don't, and won\u2019t", "They do not, and will not"),
        ("We've seen it's late", "We have seen it's late"),  # it has, or it is
        ("nothing here", None),
        ("他不去", None),
    ],
)
def test_contractions_go_either_way(text: str, changed: str | None) -> None:
    assert contract(text, 1, random_of(0)) == changed


def test_phrases_are_replaced_as_whole_words() -> None:
    assert paraphrase("Because of it, a very big bigwig", 1, random_of(0)) == (
        "Due to it, a really large bigwig"
    )
    assert paraphrase("因为下雨", 1, random_of(0)) == "由于下雨"
    assert paraphrase(" ", 1, random_of(0)) is None


@given(st.sampled_from(["plain", "不去", "[MAIL] {x}"]), st.integers(0, 30))
def test_a_text_without_a_phrase_stands_whole_in_a_frame(text: str, seed: int) -> None:
    changed = paraphrase(text, 1, random_of(seed))
    assert changed is not None
    assert text in changed
    assert len(changed) > len(text)


@given(st.floats(0.01, 1), st.integers(0, 30), st.integers(1, 60))
def test_what_is_added_is_as_long_as_asked(strength: float, seed: int, words: int) -> None:
    text = " ".join(["word"] * words)
    changed = lengthen(text, strength, random_of(seed))
    assert changed is not None
    assert changed.startswith(text) or changed.endswith(text)
    added = len(changed.split()) - words
    assert max(1, round(strength * words)) <= added < strength * words + 10
    assert not negations_of(changed.replace("nothing", ""))


def test_a_chinese_text_is_lengthened_in_chinese() -> None:
    changed = lengthen("今天去商场买菜", 0.5, random_of(1))
    assert changed is not None
    assert not any(sign.isascii() for sign in changed)
    assert lengthen("", 1, random_of(0)) is None


def test_simplified_characters_have_one_traditional_form() -> None:
    assert traditional(ZH, 1, random_of(0)) == "我們在北京買了3個Phone, 非常好 [MAIL]"
    assert traditional("plain", 1, random_of(0)) is None
    assert traditional("我", 1, random_of(0)) is None


def test_full_width_is_of_chinese_texts() -> None:
    assert full_width("买3个Ab, 好 [MAIL]", 1, random_of(0)) == (
        "买\uff13个\uff21\uff42\uff0c 好 [MAIL]"
    )
    assert full_width("plain 3", 1, random_of(0)) is None
    assert full_width("我们", 1, random_of(0)) is None


@given(st.floats(0.01, 1), st.integers(0, 60))
def test_a_misread_word_differs_in_one_place(strength: float, seed: int) -> None:
    text = "modern clinical not [MAIL] 1,000 Bells"
    changed = misread(text, strength, random_of(seed))
    assert changed is not None
    before, after = text.split(), changed.split()
    assert [after[n] for n in (2, 3, 4)] == ["not", "[MAIL]", "1,000"]
    hit = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    assert 1 <= len(hit) <= 3
    for one, other in hit:
        assert any(
            one[:n] + read + one[n + len(printed) :] == other
            for printed, reads in READ_AS.items()
            for read in reads
            for n in range(len(one))
            if one.startswith(printed, n)
        )


def test_a_text_without_words_is_not_misread() -> None:
    assert misread("42 好 it", 1, random_of(0)) is None
    assert READ_AS["rn"] == ("m",)
    assert "rn" in READ_AS["m"]
