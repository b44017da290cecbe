"""What a text has or has not: words and marks, and properties that carry no topic.

Marks are judged as words are: of news, `$` belongs to business as a word does.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tasks.task_types.unspaced import UNSPACED_SHARE, unspaced_share

if TYPE_CHECKING:
    from scipy.sparse import csc_array

# HTML tags by their names, words, and every other visible character.
_TOKEN: Final = re.compile(r"</?[a-z][a-z0-9]*|\w+|[^\w\s]")
_TAG: Final = re.compile(r"</?[a-z][a-z0-9]*")
_WORD: Final = re.compile(r"\w+")
_RUNS: Final = re.compile(r"\w{2,}")
_PROPERTIES: Final = {
    "digit": re.compile(r"\d"),
    "link": re.compile(r"https?://|www\.", re.IGNORECASE),
    "capitals only": re.compile(r"\A(?=.*[A-Z])[^a-z]*\Z", re.DOTALL),
    "lower-case start": re.compile(r"\A\W*[a-z]"),
    "no mark at the end": re.compile(r"\w\s*\Z"),
    "line break": re.compile(r"\n"),
}
_LENGTHS: Final = 4
_TOKEN_CHARACTERS: Final = 40
# Characters of a script without spaces that stand for a word at most.
_RUN: Final = 3
# Of very many words, those of most rows.
_MAX_FEATURES: Final = 50_000
WORD, PROPERTY, SOURCE = "word", "property", "source"


@dataclass(frozen=True, eq=False)
class Features:
    """What N texts have.

    Attributes:
        names: of the F features, as a report shows them.
        kinds: of each, ``word``, ``property`` or ``source``.
        table: (N, F), 1 where the row has it.

    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    table: "csc_array"


def tokens_of(text: str) -> list[str]:
    """Casefolded words, HTML tags and single marks."""
    return [token[:_TOKEN_CHARACTERS] for token in _TOKEN.findall(text.casefold())]


def runs_of(text: str) -> Iterator[str]:
    """As `tokens_of`, with all runs of one to three characters in place of words."""
    for token in _TOKEN.findall(text.casefold()):
        yield token
        if _RUNS.fullmatch(token):
            for length in range(1, _RUN + 1):
                yield from (token[at : at + length] for at in range(len(token) - length + 1))


def features_of(
    texts: Sequence[str], sources: Sequence[str | None] | None, *, min_rows: int
) -> Features:
    """All features that at least so many rows have, and at least one has not.

    Args:
        texts: N texts.
        sources: where each row comes from, where that is known.
        min_rows: rows of a feature.

    """
    from scipy.sparse import csc_array, hstack

    names, table = _words(texts, min_rows)
    kinds = [PROPERTY if _TAG.fullmatch(name) else WORD for name in names]
    others = [*_properties(texts), *_lengths(texts), *_sources(sources or ())]
    shown = [_shown(name) for name in names] + [name for name, _, _ in others]
    kinds += [kind for _, kind, _ in others]
    columns = np.stack([column for *_, column in others], axis=1).astype(np.int32)
    table = csc_array(hstack([table, csc_array(columns)], format="csc"))
    rows = np.asarray(table.sum(axis=0)).ravel()
    kept = np.flatnonzero((rows >= min_rows) & (rows < len(texts)))
    return Features(
        tuple(shown[place] for place in kept),
        tuple(kinds[place] for place in kept),
        csc_array(table[:, kept]),
    )


def _words(texts: Sequence[str], min_rows: int) -> "tuple[list[str], csc_array]":
    from scipy.sparse import csc_array
    from sklearn.feature_extraction.text import CountVectorizer

    unspaced = unspaced_share(texts) > UNSPACED_SHARE
    counter = CountVectorizer(
        analyzer=runs_of if unspaced else tokens_of,
        binary=True,
        dtype=np.int32,
        min_df=min(min_rows, len(texts)),
        max_features=_MAX_FEATURES,
    )
    try:
        table = counter.fit_transform(texts)
    except ValueError:  # no word stands in so many rows
        return [], csc_array((len(texts), 0), dtype=np.int32)
    return list(counter.get_feature_names_out()), csc_array(table)


def _shown(token: str) -> str:
    if _TAG.fullmatch(token):
        return f"tag {token}>"
    return f"word {token}" if _WORD.fullmatch(token) else f"mark {token}"


def _properties(texts: Sequence[str]) -> Iterator[tuple[str, str, np.ndarray]]:
    for name, pattern in _PROPERTIES.items():
        yield name, PROPERTY, np.array([bool(pattern.search(text)) for text in texts])


def _lengths(texts: Sequence[str]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Quarters of the rows by their length in characters."""
    lengths = np.array([len(text) for text in texts])
    inner = np.quantile(lengths, np.arange(1, _LENGTHS) / _LENGTHS, method="inverted_cdf")
    quarter = np.searchsorted(inner, lengths)
    for number in range(_LENGTHS):
        yield f"length q{number + 1}", PROPERTY, quarter == number


def _sources(sources: Sequence[str | None]) -> Iterator[tuple[str, str, np.ndarray]]:
    column = np.array([one or "" for one in sources])
    for name in sorted({one for one in sources if one}):
        yield f"source {name}", SOURCE, column == name
