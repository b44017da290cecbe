"""Rows whose texts spell a control token of the base model."""

import re
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tasks.records.data import ControlTokens
from tasks.task_types.rows import Column, RowShape

_TEXT_KINDS = frozenset({"text", "texts", "turns"})


class ControlTokenSearch:
    """Looks for control tokens in shard after shard, and counts the rows.

    Attributes:
        spellings: the strings that spell one.

    """

    def __init__(self, shape: RowShape, spellings: Sequence[str]) -> None:
        self.spellings = tuple(spellings)
        self._columns = [one for one in shape.columns if one.kind in _TEXT_KINDS]
        # RE2, which Arrow searches with, and Python's own read a pattern of escaped strings alike.
        longest_first = sorted(self.spellings, key=len, reverse=True)
        self._pattern = "|".join(re.escape(one) for one in longest_first)
        self._spelled = re.compile(self._pattern)
        self._rows = 0
        self._rows_by_token: Counter[str] = Counter()

    def search(self, rows: pa.Table) -> list[str | None]:
        """Control tokens that each row spells, parted by spaces; None where it spells none."""
        found: list[set[str]] = [set() for _ in range(rows.num_rows)]
        for column in self._columns if self.spellings else ():
            row_of, texts = _texts_in(rows[column.name].combine_chunks(), column)
            hits = pc.match_substring_regex(texts, self._pattern)
            for place in pc.indices_nonzero(hits).to_pylist():
                found[row_of[place]].update(self._spelled.findall(texts[place].as_py()))
        self._rows += sum(bool(one) for one in found)
        self._rows_by_token.update(spelling for one in found for spelling in one)
        return [" ".join(sorted(one)) or None for one in found]

    def counted(self, action: str) -> ControlTokens:
        """What was found in all shards, most frequent first."""
        by_token = sorted(self._rows_by_token.items(), key=lambda one: (-one[1], one[0]))
        return ControlTokens(action, len(self.spellings), self._rows, dict(by_token))


def _texts_in(values: pa.Array, column: Column) -> tuple[Sequence[int], pa.Array]:
    """All strings of a column, and the row of each."""
    if column.kind == "text":
        return range(len(values)), values
    row_of = pc.list_parent_indices(values).to_pylist()
    inside = pc.list_flatten(values)
    return row_of, pc.struct_field(inside, "content") if column.kind == "turns" else inside
