"""Which groups a text mentions, by term lists kept as data."""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"\w+")
# Languages whose words are not set apart by spaces: a term is found anywhere in the text.
UNSPACED_LANGUAGES = frozenset({"zh"})


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


@dataclass(frozen=True)
class Membership:
    """Which rows belong to which groups of one attribute; a row may belong to several or none.

    Attributes:
        attribute: for example gender.
        groups: sorted.
        rows: shape (N, G).

    """

    attribute: str
    groups: tuple[str, ...]
    rows: NDArray[np.bool_]


def read_terms(path: Path) -> tuple[Term, ...]:
    """Read a term list with the columns group, term, language and not_in."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Term(
                row["group"],
                row["term"].casefold(),
                row["language"],
                tuple(word for word in row["not_in"].split("|") if word),
            )
            for row in csv.DictReader(file)
        )


def mentioned_groups(attribute: str, texts: Sequence[str], terms: Sequence[Term]) -> Membership:
    """Find the groups that each text mentions.

    Terms of a language with spaces are matched as whole words, whatever their case: "he" is in
    "He's", and not in "the". Others are matched anywhere but in their ``not_in``.
    """
    groups = tuple(sorted({term.group for term in terms}))
    finders = [_finder([term for term in terms if term.group == group]) for group in groups]
    rows = np.zeros((len(texts), len(groups)), dtype=np.bool_)
    for row, text in enumerate(texts):
        folded = text.casefold()
        words = frozenset(WORD.findall(folded))
        rows[row] = [finder(folded, words) for finder in finders]
    return Membership(attribute, groups, rows)


def column_groups(attribute: str, values: Sequence[object]) -> Membership:
    """Groups by the values of a column; a null belongs to no group."""
    names = [None if value is None else str(value) for value in values]
    groups = tuple(sorted({name for name in names if name is not None}))
    place = {group: index for index, group in enumerate(groups)}
    column = np.array([-1 if name is None else place[name] for name in names], dtype=np.int64)
    return Membership(attribute, groups, column[:, None] == np.arange(len(groups)))


def _finder(terms: list[Term]) -> Callable[[str, frozenset[str]], bool]:
    """Whether a folded text, given with its words, mentions one of the terms of a group."""
    spaced = [term.term for term in terms if term.language not in UNSPACED_LANGUAGES]
    # A set answers for single words in one step; a pattern of sixty would be tried at every letter.
    single = frozenset(term for term in spaced if WORD.fullmatch(term))
    phrases = _pattern([rf"\b{re.escape(term)}\b" for term in spaced if term not in single])
    anywhere = _pattern(
        [_outside_words(term) for term in terms if term.language in UNSPACED_LANGUAGES]
    )

    def find(folded: str, words: frozenset[str]) -> bool:
        return (
            not single.isdisjoint(words)
            or phrases.search(folded) is not None
            or anywhere.search(folded) is not None
        )

    return find


def _pattern(alternatives: list[str]) -> re.Pattern[str]:
    # (?!) matches nothing: the pattern of no alternatives.
    return re.compile("|".join(alternatives) or "(?!)")


def _outside_words(term: Term) -> str:
    """Pattern of a term that stands in none of the longer words, wherever in them it stands."""
    guards = ""
    for word in term.not_in:
        for found in re.finditer(re.escape(term.term), word):
            before, rest = re.escape(word[: found.start()]), re.escape(word[found.start() :])
            guards += rf"(?!(?<={before}){rest})" if before else rf"(?!{rest})"
    return guards + re.escape(term.term)
