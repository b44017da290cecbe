"""The same sentence about somebody else: words that name a group, swapped for another group's.

Garg et al. 2019 (arXiv:1809.10610) call it counterfactual token fairness. Number, part of speech
and capital letters stay; his and her take the form that their place asks for, and "a" becomes "an".
"""

import csv
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.errors import SettingsError
from infra.local_files import check_regular
from tasks.protected_groups.longer_words import UNSPACED_LANGUAGES, outside_words

SWAPS_FOLDER: Final = Path(__file__).parent / "swaps"
_COLUMNS: Final = ("slot", "group", "term", "language", "not_in", "source")
LEAST_GROUPS: Final = 2
# Slots of the pronouns whose form does not tell their place: "her book" and "saw her".
OBJECT: Final = "object"
DETERMINER: Final = "determiner"
POSSESSIVE: Final = "possessive"
_BY_PLACE: Final = frozenset({OBJECT, DETERMINER, POSSESSIVE})
# What can't follow a possessive determiner: her "to" or her "and" is an object.
_NO_NOUN: Final = frozenset(
    re.findall(
        r"\w+",
        "a about after again against all also although an and are as at away back be because "
        "been before but by can could did do does down during either every for from had has "
        "have he her here him his how i if in into is it its just like may me might must no nor "
        "not of off on once or our out over said says she should since so some than that the "
        "their them then there these they this those though through till to today together "
        "tomorrow tonight too towards under unless until up us was we were what when where whether "
        "which while who why will with without would yesterday yet you your",
    )
)
_NEXT_WORD: Final = re.compile(r"\s+[£$€\"'\u2018\u201c(]?(\w+)")
_ARTICLE_BEFORE: Final = re.compile(r"\b(an?)(\s+)\Z", re.IGNORECASE)
# Longest article with its spaces that is looked for before a word.
_ARTICLE_REACH: Final = 8
# A term of two letters in capitals is an abbreviation: MS is no title.
_LONGEST_ABBREVIATION: Final = 2


@dataclass(frozen=True)
class SwapTerm:
    """A term that names a group, and its place among the terms that can take its place."""

    slot: str
    group: str
    term: str
    language: str
    not_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Swap:
    """A text with the words of its groups swapped for one other group's.

    Attributes:
        group: whom the text is about now.
        start: character of the first changed word, in the text as it was.

    """

    text: str
    group: str
    start: int


class SwapList:
    """The terms of one file, and what they are swapped for.

    Attributes:
        name: of the file.
        groups: sorted.

    """

    def __init__(self, name: str, terms: Sequence[SwapTerm]) -> None:
        self.name = name
        self.groups = tuple(sorted({term.group for term in terms}))
        if len(self.groups) < LEAST_GROUPS:
            raise SettingsError(
                f"the swap list {name} has {len(self.groups)} group(s); it takes two to swap"
            )
        self._by_term: dict[str, list[SwapTerm]] = {}
        self._in_slot: dict[tuple[str, str], list[str]] = {}
        for term in terms:
            self._by_term.setdefault(term.term.casefold(), []).append(term)
            self._in_slot.setdefault((term.slot, term.group), []).append(term.term)
        for listed in self._by_term.values():
            if len(listed) > 1 and not {term.slot for term in listed} <= _BY_PLACE:
                raise SettingsError(
                    f"the swap list {name} has {listed[0].term!r} {len(listed)} times, so that "
                    "nobody can tell what to swap it for; keep one of them"
                )
        self._pattern = re.compile(_pattern(terms), re.IGNORECASE)

    def swaps(self, text: str) -> Iterator[Swap]:
        """The same text about others.

        Of two groups, each takes the other's place, which undoes itself; of more, all words of the
        list take the place of one group after the other.
        """
        found = list(self._found(text))
        if not found:
            return
        present = {term.group for _, term in found}
        if len(self.groups) == LEAST_GROUPS:
            one, other = self.groups
            target = {one: other, other: one}
            group = target[present.pop()] if len(present) == 1 else "exchanged"
            yield from self._swap(text, found, group, target)
            return
        for group in self.groups:
            if present != {group}:
                yield from self._swap(text, found, group, dict.fromkeys(self.groups, group))

    def _found(self, text: str) -> Iterator[tuple[re.Match[str], SwapTerm]]:
        for match in self._pattern.finditer(text):
            terms = self._by_term.get(match[0].casefold(), ())
            written = [term for term in terms if _is_written_so(term.term, match[0])]
            slots = _slots_of_place(text, match) if len(written) > 1 else _BY_PLACE
            chosen = [term for term in written if term.slot in slots or len(written) == 1]
            if chosen:
                yield match, chosen[0]

    def _swap(
        self,
        text: str,
        found: Sequence[tuple[re.Match[str], SwapTerm]],
        group: str,
        target: Mapping[str, str],
    ) -> Iterator[Swap]:
        parts: list[str] = []
        end, start = 0, -1
        for match, term in found:
            other = self._counterpart(term, target[term.group])
            if other is None:
                continue
            start = match.start() if start < 0 else start
            word = _with_capitals(other, match[0], term.term)
            parts += [_with_article(text[end : match.start()], match[0], word), word]
            end = match.end()
        changed = "".join([*parts, text[end:]])
        if start >= 0 and changed != text:
            yield Swap(changed, group, start)

    def _counterpart(self, term: SwapTerm, group: str) -> str | None:
        own = self._in_slot[term.slot, term.group]
        others = self._in_slot.get((term.slot, group))
        if term.group == group or not others:
            return None
        return others[own.index(term.term) % len(others)]


def about_another(
    text: str, lists: Sequence[SwapList], choose: Callable[[Sequence[Swap]], Swap]
) -> str | None:
    """The text about somebody else by all lists in turn, so that words and names go together.

    Names beside gendered words follow Hall Maudslay et al. 2019 (arXiv:1909.00871).

    Args:
        text: any.
        lists: in the order in which they change it.
        choose: one of the swaps of a list, of which there may be one for each other group.

    Returns:
        None where no list finds a word.

    """
    changed = text
    for one in lists:
        if found := list(one.swaps(changed)):
            changed = choose(found).text
    return None if changed == text else changed


def read_swaps(path: Path) -> SwapList:
    """Read a list with the columns slot, group, term, language, not_in and source.

    Raises:
        SettingsError: it is missing, lacks a column or a value, has a term twice, or has fewer
            than two groups.

    """
    try:
        check_regular(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
                raise SettingsError(f"the swap list {path} has no column {', '.join(missing)}")
            rows = [{name: (row[name] or "").strip() for name in _COLUMNS} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"the swap list {path} cannot be read: {error}") from error
    for number, row in enumerate(rows, start=2):
        if empty := [name for name in ("slot", "group", "term") if not row[name]]:
            raise SettingsError(f"the swap list {path}, line {number}, has no {empty[0]}")
    return SwapList(path.stem, [_term(row) for row in rows])


def shipped_swaps() -> tuple[str, ...]:
    """Names of the lists that come with this project, sorted."""
    return tuple(sorted(path.stem for path in SWAPS_FOLDER.glob("*.csv")))


def _term(row: Mapping[str, str]) -> SwapTerm:
    not_in = tuple(word for word in row["not_in"].split("|") if word)
    return SwapTerm(row["slot"], row["group"], row["term"], row["language"], not_in)


def _pattern(terms: Sequence[SwapTerm]) -> str:
    """All terms, the longest first, each outside the longer words in which it means another."""
    # One check for the start of a word, before all of its terms, takes a fifth of the time.
    patterns: dict[bool, dict[str, str]] = {False: {}, True: {}}
    for term in sorted(terms, key=lambda term: -len(term.term)):
        unspaced = term.language in UNSPACED_LANGUAGES
        patterns[unspaced][term.term] = outside_words(term.term, term.not_in)
    words, anywhere = ("|".join(patterns[unspaced].values()) for unspaced in (False, True))
    return "|".join([rf"\b(?:{words})\b"] * bool(words) + [anywhere] * bool(anywhere))


def _is_written_so(term: str, found: str) -> bool:
    """A name is listed with a capital and so written: "jill" or "ms" is something else."""
    if term[:1].islower() or found == term:
        return True
    return not term[:1].isupper() or (found.isupper() and len(found) > _LONGEST_ABBREVIATION)


def _slots_of_place(text: str, match: re.Match[str]) -> Collection[str]:
    """Which place a pronoun stands in, by the word that follows it."""
    following = _NEXT_WORD.match(text, match.end())
    before_noun = following is not None and following[1].casefold() not in _NO_NOUN
    return (DETERMINER,) if before_noun else (OBJECT, POSSESSIVE)


def _with_capitals(word: str, like: str, listed: str) -> str:
    """A word written as the one that it stands for: HE, He or he."""
    if like == listed:
        return word
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def _with_article(before: str, old: str, new: str) -> str:
    """The text before a swapped word; an article that stands there fits the new word."""
    article = _ARTICLE_BEFORE.search(before, max(0, len(before) - _ARTICLE_REACH))
    vowel = new[:1].casefold() in "aeiou"
    if article is None or vowel == (old[:1].casefold() in "aeiou"):
        return before
    loud = old.isupper() and article[1].isupper()
    ending = ("N" if loud else "n") if vowel else ""
    return f"{before[: article.start() + 1]}{ending}{article[2]}"
