"""How a tokenizer reads a line's texts: unknown tokens, tokens a word, rows that are too long."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tasks.evaluation.base_models.token_use import token_use, units_of
from tasks.task_types.row_shapes import shape_of

SHAPE = shape_of("classification")
# The tiny model takes 64 tokens, of which two are special.
CONTEXT = 62


def rows_of(texts: list[str]) -> pa.Table:
    return pa.table({"text": texts})


def test_tokens_are_those_of_transformers_own_tokenizer(tiny_model: Path) -> None:
    texts = ["a good film", "the match was won", "\u2603 snow"]
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    found = token_use(tiny_model, rows_of(texts), SHAPE, 48)
    total = sum(map(len, ids))
    assert found.per_row == pytest.approx(total / 3)
    assert found.unit == "word"
    assert found.per_unit == pytest.approx(total / 9)
    unknown = sum(one.count(tokenizer.unk_token_id) for one in ids)
    assert unknown > 0
    assert found.unknown_share == pytest.approx(unknown / total)
    assert found.context == CONTEXT


def test_chinese_is_counted_by_character(tiny_model: Path) -> None:
    found = token_use(tiny_model, rows_of(["\u8fd9 \u4e2a\u5f88\u597d"]), SHAPE, 48)
    assert found.unit == "character"
    assert found.per_unit == 1.0
    assert units_of(["\u8fd9 \u4e2a\u5f88\u597d"]) == ("character", 4)
    assert units_of(["one two", " three "]) == ("word", 3)
    assert units_of([""]) == ("word", 0)


def test_a_row_is_longer_only_beyond_the_context_and_cut_only_beyond_the_limit(
    tiny_model: Path,
) -> None:
    """Special tokens take two places of both."""
    texts = ["good " * length for length in (6, 7, CONTEXT, CONTEXT + 1)]
    found = token_use(tiny_model, rows_of(texts), SHAPE, 8)
    assert found.longer_share == 0.25
    assert found.cut_share == 0.75


def test_rows_without_text_have_no_tokens(tiny_model: Path) -> None:
    found = token_use(tiny_model, rows_of(["", ""]), SHAPE, 8)
    assert (found.per_row, found.unknown_share, found.per_unit) == (0, 0, 0)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=8))
def test_shares_are_shares(tiny_model: Path, texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    found = token_use(tiny_model, rows_of(texts), SHAPE, 16)
    assert 0 <= found.unknown_share <= 1
    assert 0 <= found.longer_share <= found.cut_share <= 1
    assert found.per_unit >= 0
