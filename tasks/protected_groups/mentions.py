"""Which groups a text mentions, by term lists kept as data."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from infra.errors import SettingsError
from tasks.protected_groups.longer_words import UNSPACED_LANGUAGES, outside_words
from tasks.protected_groups.memberships import Membership

WORD = re.compile(r"\w+")
_COLUMNS: Final = ("group", "term", "language", "not_in", "source")


@dataclass(frozen=True)
class Term:
    """A word, or a run of words, that mentions a group.

    Attributes:
        not_in: longer words in which the term means something else.

    """

    group: str
    term: str
    language: str
    not_in: tuple[str, ...]


def read_terms(path: Path) -> tuple[Term, ...]:
    """Read a term list with the columns group, term, language, not_in and source.

    Raises:
        SettingsError: a column is missing, or the list is empty or holds an empty term.

    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
            raise SettingsError(f"the term list {path.name} has no column {', '.join(missing)}")
        terms = tuple(
            Term(
                row["group"] or "",
                (row["term"] or "").casefold(),
                row["language"] or "",
                tuple(word for word in (row["not_in"] or "").split("|") if word),
            )
            for row in reader
        )
    if not terms or not all(term.group and term.term.strip() for term in terms):
        raise SettingsError(f"the term list {path.name} needs a group and a term in each row")
    return terms


class TermFinder:
    """Finds which of many terms a text mentions, in one pass over its words.

    Terms of a language with spaces are matched as whole words, whatever their case: "he" is in
    "He's", and not in "the". Others are matched anywhere but in their ``not_in``.
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        # A look-up answers for all single words at once; a pattern would be tried at every letter.
        self._single: dict[str, list[int]] = {}
        self._phrases: dict[str, list[tuple[int, re.Pattern[str]]]] = {}
        self._anywhere: dict[str, list[tuple[int, re.Pattern[str]]]] = {}
        for place, term in enumerate(terms):
            if term.language in UNSPACED_LANGUAGES:
                pattern = re.compile(outside_words(term.term, term.not_in))
                self._anywhere.setdefault(term.term[0], []).append((place, pattern))
            elif WORD.fullmatch(term.term):
                self._single.setdefault(term.term, []).append(place)
            else:  # a phrase is looked for where its last word stands: "old man", not at each "old"
                pattern = re.compile(rf"\b{re.escape(term.term)}\b")
                last = WORD.findall(term.term)[-1]
                self._phrases.setdefault(last, []).append((place, pattern))
        self._words = frozenset(self._single) | frozenset(self._phrases)
        self._letters = frozenset(self._anywhere)
        self._anywhere_is_not_ascii = not any(letter.isascii() for letter in self._letters)

    def find(self, text: str) -> list[int]:
        """Places, among the terms, of those that the text mentions, each once."""
        folded = text.casefold()
        found: list[int] = []
        for word in self._words.intersection(WORD.findall(folded)):
            found += self._single.get(word, ())
            found += _matching(self._phrases.get(word, ()), folded)
        if not (self._anywhere_is_not_ascii and folded.isascii()):
            for letter in self._letters.intersection(folded):
                found += _matching(self._anywhere[letter], folded)
        return found


def mentioned_groups(attribute: str, texts: Sequence[str], terms: Sequence[Term]) -> Membership:
    """Find the groups that each text mentions, as `TermFinder` finds its terms."""
    groups = tuple(sorted({term.group for term in terms}))
    column = [groups.index(term.group) for term in terms]
    finder = TermFinder(terms)
    rows = np.zeros((len(texts), len(groups)), dtype=np.bool_)
    for row, text in enumerate(texts):
        for place in finder.find(text):
            rows[row, column[place]] = True
    return Membership(attribute, groups, rows)


def _matching(candidates: Iterable[tuple[int, re.Pattern[str]]], folded: str) -> list[int]:
    return [place for place, pattern in candidates if pattern.search(folded)]
