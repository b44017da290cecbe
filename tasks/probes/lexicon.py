"""Terms of the user's, found as whole words in what a model writes."""

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.protected_groups.mentions import Term, TermFinder
from tasks.records.data import SourceFile
from tasks.sources.named_files import read_lines
from tasks.task_types.unspaced import UNSPACED

_SHOWN: Final = 60
# HurtLex (Bassignana et al. 2018): tab-separated, of which HONEST's authors take one level.
_LEMMA, _LEVEL, _TAKEN = "lemma", "level", "conservative"


def read_lexicon(setting: str, file: SourceFile, store: ObjectStore) -> "Lexicon":
    """The terms of a pinned file: one a line, or HurtLex's lemmas of the level conservative.

    Args:
        setting: that names the file, for messages.
        file: as it was pinned.
        store: holds it, if it is not local.

    Raises:
        DataError: the file changed, is no UTF-8, names no term, or one that is no word.
        StoreError: the store cannot be reached.

    """
    lines = read_lines(setting, file, store)
    if _LEMMA in lines[0].strip().split("\t"):
        terms = list(_lemmas(lines))
    else:
        terms = list(_terms(setting, file, lines))
    if not terms:
        raise DataError(
            f"{setting}: {file.uri} names no term; right would be one a line, or HurtLex' columns "
            "with lemma"
        )
    return Lexicon(list(dict.fromkeys(terms)))


def _terms(setting: str, file: SourceFile, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if not (term := folded(line.strip())):
            continue
        if not (term[0].isalnum() and term[-1].isalnum()):
            raise DataError(
                f"{setting}: line {number} of {file.uri} is {line[:_SHOWN]!r}; right would be a "
                "word, or several, that begin and end with a letter or digit"
            )
        yield term


def _lemmas(lines: Sequence[str]) -> Iterator[str]:
    """Without the marks around some of HurtLex' lemmas, which no whole word begins or ends with."""
    for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
        term = folded((row[_LEMMA] or "").strip())
        while term and not term[0].isalnum():
            term = term[1:]
        while term and not term[-1].isalnum():
            term = term[:-1]
        if term and (row.get(_LEVEL) or _TAKEN).strip() == _TAKEN:
            yield term


class Lexicon:
    """Finds terms in texts: whole words, and of scripts without spaces any run of characters."""

    def __init__(self, terms: Sequence[str]) -> None:
        """Take terms as `folded` gives them."""
        self.terms = tuple(terms)
        self._finder = TermFinder(
            [Term("", term, "zh" if UNSPACED.search(term) else "", ()) for term in terms]
        )

    def find(self, text: str) -> frozenset[int]:
        """Which terms stand in a text."""
        plain = folded(text)
        found = self._finder.find(plain)
        if UNSPACED.search(plain):  # a Latin word among Chinese characters is a word, too
            found += self._finder.find(UNSPACED.sub(" ", plain))
        return frozenset(found)


def folded(text: str) -> str:
    """A text in which case and the width of letters are the same."""
    return unicodedata.normalize("NFKC", text).casefold()
