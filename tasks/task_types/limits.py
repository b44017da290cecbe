"""How long a text a model reads and writes."""

from dataclasses import dataclass
from typing import Protocol


class HasLimits(Protocol):
    """A record that says how texts were cut: tokens and weights do."""

    @property
    def max_length(self) -> int:
        """As in `TokenLimits`; the others likewise."""

    @property
    def stride(self) -> int: ...  # noqa: D102

    @property
    def max_target_length(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class TokenLimits:
    """Lengths in tokens.

    Attributes:
        max_length: tokens that a text is cut to, special ones included.
        stride: tokens that two windows of one text share, where a task type reads long texts in
            windows.
        max_target_length: tokens of a written text, where a task type writes one; 0: max_length.

    """

    max_length: int
    stride: int = 0
    max_target_length: int = 0

    @classmethod
    def of(cls, record: HasLimits) -> "TokenLimits":
        """The limits that a record names."""
        return cls(record.max_length, record.stride, record.max_target_length)

    @property
    def target_length(self) -> int:
        """Tokens that a text is written in at most."""
        return self.max_target_length or self.max_length
