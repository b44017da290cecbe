"""The expectation that tags mark whole spans: one tag a token, in the scheme BIO (IOB2).

B-TYPE opens a span and I-TYPE goes on with it, so that I-TYPE stands only after B-TYPE or I-TYPE of
the same type; O is outside of any span. The scheme: Tjong Kim Sang and Veenstra, Representing Text
Chunks, EACL 1999.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    MulticolumnMapMetricProvider,
    multicolumn_condition_partial,
)
from numpy.typing import NDArray

from tasks.validation.contract.counts import OUTSIDE
from tasks.validation.contract.expectations.arrow_columns import (
    STRINGS,
    lengths_of,
    rows_with,
    to_arrow,
    to_mask,
)
from tasks.validation.contract.expectations.rendering import ColumnsRule
from tasks.validation.contract.messages import excerpt
from tasks.validation.contract.settings import TagScheme

_SPAN: Final = re.compile(r"([BI])-(.+)", re.DOTALL)
_BEGIN, _INSIDE, _NEITHER, _BROKEN = range(4)


def _read(tag: str | None) -> tuple[int, str]:
    """Role and type of a tag."""
    span = _SPAN.fullmatch(tag or "")
    if span:
        return (_BEGIN if span[1] == "B" else _INSIDE), span[2]
    return (_NEITHER if tag == OUTSIDE else _BROKEN), ""


def _breaks(tags: pa.Array, lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which tags break the scheme, over the tags of all rows; each distinct tag is read once."""
    encoded = tags.dictionary_encode()
    codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
    read = [*map(_read, encoded.dictionary.to_pylist()), (_BROKEN, "")]
    types = {name: number for number, name in enumerate(sorted({name for _, name in read}))}
    role = np.array([role for role, _ in read])[codes]
    kind = np.array([types[name] for _, name in read])[codes]
    goes_on = np.zeros(len(codes), dtype=np.bool_)
    goes_on[1:] = (role[:-1] <= _INSIDE) & (kind[1:] == kind[:-1])
    starts = np.cumsum(lengths) - lengths
    goes_on[starts[lengths > 0]] = False
    broken: NDArray[np.bool_] = (role == _BROKEN) | ((role == _INSIDE) & ~goes_on)
    return broken


class MulticolumnTagSequences(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Whether each token has its tag, and the tags keep their scheme."""

    condition_metric_name = "multicolumn_values.assayline.tag_sequences"
    condition_value_keys = ("scheme",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: Any, scheme: TagScheme = "BIO", **_: Any) -> Any:  # noqa: N805
        tokens, tags = (to_arrow(column_list[name], STRINGS) for name in column_list.columns)
        there = ~(np.asarray(tokens.is_null()) | np.asarray(tags.is_null()))
        lengths, values = lengths_of(tags), tags.flatten()
        breaks = lengths_of(tokens) != lengths
        breaks |= rows_with(lengths_of(tokens), np.asarray(tokens.flatten().is_null()))
        marked = _breaks(values, lengths) if scheme == "BIO" else np.asarray(values.is_null())
        return to_mask(~(there & (breaks | rows_with(lengths, marked))), column_list)


class ExpectMulticolumnValuesToBeValidTagSequences(ColumnsRule):
    """Each token has its tag, and the tags keep their scheme; the columns are tokens and tags.

    Args:
        scheme: BIO; any admits every tag.

    """

    scheme: TagScheme = "BIO"

    map_metric = "multicolumn_values.assayline.tag_sequences"
    success_keys = ("scheme", "mostly")
    args_keys = ("column_list", "scheme")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        tokens, tags = kwargs["column_list"]
        if kwargs.get("scheme") == "any":
            return f"each of the {tokens} has one of the {tags}"
        return f"each of the {tokens} has one of the {tags}, and I-TYPE goes on with B-TYPE (BIO)"

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """The first place where the sequence breaks."""
        tokens, tags = (list(value[name]) for name in kwargs["column_list"])
        if len(tokens) != len(tags):
            return f"{len(tags):,} of the tags stand beside {len(tokens):,} of the tokens"
        missing = next((place for place, token in enumerate(tokens, 1) if token is None), None)
        if missing:
            return f"token {missing:,} is empty"
        place = next((place for place, bad in enumerate(_mark(tags, kwargs)) if bad), 0)
        tag, before = tags[place], tags[place - 1] if place else None
        if _read(tag)[0] == _BROKEN or kwargs.get("scheme") == "any":
            hint = " (files of BIOES or BILOU: source.tag_scheme)" if _ends_span(tag) else ""
            hint = " (numbers of tags: write their names)" if (tag or "").isdecimal() else hint
            return f"tag {place + 1:,} is {excerpt(tag)}, neither O nor B-TYPE nor I-TYPE{hint}"
        after = f"after {excerpt(before)}" if place else "at the start"
        return (
            f"tag {place + 1:,} is {excerpt(tag)} {after}, so that it goes on with no span (files "
            "of IOB1: source.tag_scheme)"
        )


def _ends_span(tag: str | None) -> bool:
    return (tag or "")[:2] in {"E-", "S-", "L-", "U-"}


def _mark(tags: list[str | None], kwargs: Mapping[str, Any]) -> list[bool]:
    """Which tags of one row break the scheme."""
    if kwargs.get("scheme") == "any":
        return [tag is None for tag in tags]
    read = [(_NEITHER, ""), *map(_read, tags)]
    return [
        now[0] == _BROKEN or (now[0] == _INSIDE and (before[0] > _INSIDE or before[1] != now[1]))
        for before, now in pairwise(read)
    ]
