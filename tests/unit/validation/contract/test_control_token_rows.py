"""Rows whose texts spell a control token."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape, arrow_type
from tasks.tokenization.base_model import scratch_tokens
from tasks.tokenization.settings import BaseModelSettings, ScratchSettings
from tasks.validation.contract.control_tokens import ControlTokenSearch

SPELLINGS = (
    "<s>",
    "</s>",
    "<|im_end|>",
    "[MASK]",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<|a b|>",
)


def table_of(task_type: str, *rows: dict[str, object]) -> tuple[RowShape, pa.Table]:
    shape = shape_of(task_type)
    fields = [(column.name, arrow_type(column.kind)) for column in shape.columns]
    return shape, pa.Table.from_pylist(list(rows), pa.schema(fields))


@pytest.mark.parametrize(
    ("task_type", "row", "found"),
    [
        ("classification", {"text": "a </s> b<s>", "label": "<|im_end|>"}, "</s> <s>"),
        ("classification", {"text": "a < /s> b", "label": "a"}, None),
        ("classification", {"text": None, "label": "a"}, None),
        ("tagging", {"tokens": ["a", "[MASK]"], "tags": ["O", "O"]}, "[MASK]"),
        ("tagging", {"tokens": ["[MA", "SK]", None], "tags": ["O", "O", "O"]}, None),
        ("translation", {"source": "a", "target": SPELLINGS[4]}, SPELLINGS[4]),
        ("question_answering", {"question": "<|a b|>?", "context": "<s>"}, "<s> <|a b|>"),
        (
            "chat",
            {"messages": [{"role": "user", "content": "x"}, {"role": "a", "content": "<s>"}]},
            "<s>",
        ),
        ("chat", {"messages": [{"role": "user", "content": None}]}, None),
        ("chat", {"messages": None}, None),
    ],
)
def test_what_a_row_spells_in_any_text(
    task_type: str, row: dict[str, object], found: str | None
) -> None:
    plain = dict.fromkeys(row)
    shape, rows = table_of(task_type, plain, row, plain)
    search = ControlTokenSearch(shape, SPELLINGS)
    assert search.search(rows) == [None, found, None]
    counted = search.counted("text")
    assert counted.rows == (found is not None)
    assert counted.looked_for == len(SPELLINGS)


@given(texts=st.lists(st.lists(st.sampled_from([*SPELLINGS, "<", "s>", "a", " "])).map("".join)))
def test_rows_are_counted_over_all_shards(texts: list[str]) -> None:
    shape, rows = table_of("classification", *({"text": text} for text in texts))
    search = ControlTokenSearch(shape, SPELLINGS)
    for start in range(0, rows.num_rows, 3):
        search.search(rows.slice(start, 3))
    assert search.counted("text").rows == sum(
        any(one in text for one in SPELLINGS) for text in texts
    )


def test_without_a_known_base_model_nothing_is_looked_for() -> None:
    shape, rows = table_of("classification", {"text": "<s>"})
    search = ControlTokenSearch(shape, ())
    assert search.search(rows) == [None]
    assert search.counted("text").looked_for == 0


def test_a_model_that_is_yet_to_be_built_has_the_control_tokens_of_its_architecture() -> None:
    settings = BaseModelSettings(scratch=ScratchSettings(architecture="t5"))
    assert scratch_tokens(settings) == ("<pad>", "</s>", "<unk>")
    assert scratch_tokens(BaseModelSettings(reference="package:x/model")) == ()
