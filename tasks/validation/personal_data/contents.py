"""What stands in a row and holds text: each knows its text and how to take placeholders in."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Protocol

from tasks.validation.personal_data.findings import PLACEHOLDERS, Finding, redact
from tasks.validation.personal_data.settings import PersonalDataKind


class Content(Protocol):
    """Something in a row that is searched as one text."""

    @property
    def text(self) -> str:
        """What is searched."""
        ...

    def redact(self, findings: Sequence[Finding]) -> None:
        """Put placeholders in for these findings of `text`, which are in order."""
        ...


@dataclass
class PlainText:
    """A text of its own."""

    text: str

    def redact(self, findings: Sequence[Finding]) -> None:
        """Put placeholders in."""
        self.text = redact(self.text, findings)


@dataclass
class Tokens:
    """A list of tokens. It keeps its length: each token that a finding covers is a placeholder."""

    tokens: list[str | None]

    @property
    def text(self) -> str:
        """The tokens with spaces between."""
        return " ".join(token or "" for token in self.tokens)

    def redact(self, findings: Sequence[Finding]) -> None:
        """Put placeholders in; what a finding leaves of a token stays."""
        ends = list(accumulate(len(token or "") + 1 for token in self.tokens))
        self.tokens = [
            token and redact(token, _within(findings, end - len(token) - 1, end - 1))
            for token, end in zip(self.tokens, ends, strict=True)
        ]


def _within(findings: Sequence[Finding], start: int, end: int) -> list[Finding]:
    """The parts of the findings between two characters, counted from the first of these."""
    return [
        replace(one, start=max(0, one.start - start), end=min(end, one.end) - start)
        for one in findings
        if one.start < end and start < one.end
    ]


@dataclass
class MarkedText:
    """A text with entities in it; those whose places are missing are not among them.

    Attributes:
        spans: first character of each, and the one behind its last.
        cut: kinds whose placeholders took a part of an entity away together with what is beside it,
            so that nothing is left to point at.

    """

    text: str
    spans: tuple[tuple[int, int], ...]
    cut: set[PersonalDataKind] = field(default_factory=set)

    def redact(self, findings: Sequence[Finding]) -> None:
        """Put placeholders in, and move the entities with them."""
        moved = []
        for start, end in self.spans:
            one = Context(self.text, start, end)
            one.redact(findings)
            moved.append((one.start, one.end))
            self.cut |= one.cut
        self.text, self.spans = redact(self.text, findings), tuple(moved)


@dataclass
class Context:
    """A text with an answer in it.

    Attributes:
        start: the answer's first character.
        end: the character after its last.
        cut: kinds whose placeholders took a part of the answer away together with what is
            beside it, so that no answer is left to point at.

    """

    text: str
    start: int
    end: int
    cut: set[PersonalDataKind] = field(default_factory=set)

    @property
    def answer(self) -> str:
        """The answer as it stands in the text now."""
        return self.text[self.start : self.end]

    def redact(self, findings: Sequence[Finding]) -> None:
        """Put placeholders in, and move the answer with them."""
        start, end = self.start, self.end
        for one in findings:
            grown = len(PLACEHOLDERS[one.kind]) - (one.end - one.start)
            if one.end <= self.start:
                start += grown
                end += grown
            elif self.start <= one.start and one.end <= self.end:
                end += grown
            elif one.start < self.end:
                self.cut.add(one.kind)
        self.text = redact(self.text, findings)
        self.start, self.end = start, end
