"""How many tokens of a row a model reads: what a batch is filled by."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

# Of a longer text the rest is counted at the same rate: the count is of work, not of truth.
COUNTED_PER_TOKEN: Final = 8
# Where there is no tokenizer to ask.
CHARACTERS_PER_TOKEN: Final = 4


class TokenCounter:
    """Counts with a model's own tokenizer, without loading the model.

    Args:
        folder: the model and its tokenizer.
        max_length: tokens that a text is cut to, or that a window of it has.

    """

    def __init__(self, folder: Path, max_length: int) -> None:
        from tokenizers import Tokenizer

        self._max_length = max_length
        path = folder / "tokenizer.json"
        self._tokenizer = Tokenizer.from_file(str(path)) if path.is_file() else None
        if self._tokenizer:
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()

    def count(self, row: Mapping[str, Any]) -> int:
        """Tokens of a row, one or more."""
        return max(1, sum(self._count(text) for text in _texts(row.values())))

    def _count(self, text: str) -> int:
        counted = text[: self._max_length * COUNTED_PER_TOKEN]
        if not counted:
            return 0
        if self._tokenizer:
            tokens = len(self._tokenizer.encode(counted).ids)
        else:
            tokens = -(-len(counted) // CHARACTERS_PER_TOKEN)
        return min(self._max_length, tokens * len(text) // len(counted))


def _texts(values: Any) -> Iterator[str]:
    """Every text in a JSON value; tokens of a list count as one text."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            yield " ".join(value)
        elif isinstance(value, list):
            yield from _texts(value)
        elif isinstance(value, dict):
            yield from _texts(value.values())
