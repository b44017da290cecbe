# ruff: noqa: RUF001 - the look-alikes are what is tested
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text_normalisation import normalise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Shares FELL, again!", "shares fell again"),
        ("The café’s menu", "THE CAFE\u0301'S MENU"),
        ("Ｆｕｌｌ－ｗｉｄｔｈ　１２３", "full-width 123"),
        ("Straße", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ﬁne  \t print\n", "fine print"),
        ("soft\u00adhyphen and zero\u200bwidth", "softhyphen and zerowidth"),
        ("物流很快，包装很仔细。", "物流很快 包装很仔细"),
        ("ｶﾞｲﾄﾞ　ブック", "ガイドブック"),
        ("用 Python 3 写的", "用Python 3写的"),
        ("«Да!» — сказал он", "да сказал он"),
    ],
)  # fmt: skip
def test_forms_that_say_the_same_are_equal(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("good 👍", "good 👎"),
        ("a < b", "a > b"),
        ("costs $5", "costs €5"),
        ("now here", "nowhere"),
        ("한국 사람", "한국사람"),
        ("resume", "résumé"),
        ("?!", "..."),
        (":)", ":("),
    ],
)
def test_forms_that_differ_in_more_stay_apart(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_a_text_of_nothing_but_punctuation_keeps_it() -> None:
    assert normalise(" ？？！ ") == "??!"
    assert normalise(" \t\u3000") == ""


@settings(deadline=None)
@given(st.text())
def test_case_and_canonical_form_change_nothing(text: str) -> None:
    form = normalise(text)
    assert normalise(unicodedata.normalize("NFD", text)) == form
    assert normalise(text.casefold()) == form
    assert normalise(f"  {text}\n") == form


@settings(deadline=None)
@given(st.lists(st.text(st.characters(categories=["Lu", "Ll", "Nd"]), min_size=1), min_size=1))
def test_punctuation_between_words_changes_nothing(words: list[str]) -> None:
    assert normalise(", ".join(words)) == normalise("  ".join(words))
