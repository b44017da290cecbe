"""What can be seen of a text, by Unicode's own tables and in both ways of looking."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sources.visible import INVISIBLE_RUNS, are_visible, is_blank, without_invisible

# Property Prepended_Concatenation_Mark (PropList.txt): format characters that are drawn.
DRAWN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
# Format characters of scripts that are drawn too: Egyptian hieroglyphs are joined by them.
JOINERS = set(range(0x13430, 0x13440))
ODD = st.characters(categories=["Cc", "Cf", "Zs", "Lo", "Mn", "So", "Ll"])


def test_control_and_format_characters_are_invisible_but_those_that_are_drawn() -> None:
    listed = {code for first, last in INVISIBLE_RUNS for code in range(first, last + 1)}
    unseen = {
        code
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in {"Cc", "Cf"} and code not in DRAWN | JOINERS
    }
    assert unseen <= listed
    others = {code for code in listed - unseen if unicodedata.category(chr(code)) != "Cn"}
    letters = {code for code in others if unicodedata.category(chr(code))[0] in "LNPS"}
    assert letters == {0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0}  # fillers, and a blank pattern


@pytest.mark.parametrize(
    "text",
    ["", " ", "\u200b", "\u00ad\u00ad", "\u2800", "\u3164", "\x1b\x07", "\ufeff \u2060", "\u202e",
     "\U000e0041", "\u3000\u200d", "\ufe0f", "\x85"],
)  # fmt: skip
def test_what_cannot_be_seen_is_blank(text: str) -> None:
    assert is_blank(text)
    assert are_visible(pa.array([text, None])).to_pylist() == [False, None]


@pytest.mark.parametrize("text", ["a", "\u200ba", "।", "\u0600", "👩\u200d💻", "\u2801", "-"])
def test_what_can_be_seen_is_not(text: str) -> None:
    assert not is_blank(text)
    assert are_visible(pa.array([text])).to_pylist() == [True]


@given(st.text(ODD, max_size=8))
def test_both_ways_agree(text: str) -> None:
    assert are_visible(pa.array([text])).to_pylist() == [not is_blank(text)]
    assert without_invisible(without_invisible(text)) == without_invisible(text)
