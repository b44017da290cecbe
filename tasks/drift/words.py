"""Whether other words are used, and the word counts that other checks share."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from tasks.drift.intervals import SquaredDistance
from tasks.drift.measurement import Measurement, Question
from tasks.drift.permutations import Draws, Floats, Membership, Permutations, Permuted

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Kana and Han have no spaces between words, so a character stands for a word.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
_WORD_CHARACTERS = 40
# A word of one row tells nothing of others; of the rest, the words of most rows.
_MIN_ROWS_OF_WORD = 2
_MAX_WORDS = 30_000


@dataclass(frozen=True)
class WordCounts:
    """How often each word stands in each of U rows.

    Attributes:
        words: the V words that stand in several rows.
        table: (U, V + 1) float32; the last column counts all other words.

    """

    words: tuple[str, ...]
    table: "csr_array"


def words_of(text: str) -> list[str]:
    """Casefolded words, and single characters of scripts without spaces."""
    return [word[:_WORD_CHARACTERS] for word in _WORD.findall(text.casefold())]


def count_words(texts: Sequence[str]) -> WordCounts:
    """Count the words of every text."""
    from scipy.sparse import csr_array, hstack
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(analyzer=words_of, dtype=np.float32)
    if not any(map(words_of, texts)):
        return WordCounts((), csr_array(np.zeros((len(texts), 1), np.float32)))
    table = counter.fit_transform(texts).tocsc()
    rows_of_word = np.diff(table.indptr)
    frequent = np.argsort(-rows_of_word, kind="stable")[:_MAX_WORDS]
    chosen = np.sort(frequent[rows_of_word[frequent] >= _MIN_ROWS_OF_WORD])
    known = table[:, chosen]
    rest = table.sum(axis=1) - known.sum(axis=1)
    words = counter.get_feature_names_out()[chosen]
    return WordCounts(tuple(words), csr_array(hstack([known, csr_array(rest)])))


def measure_vocabulary(
    question: Question, counts: WordCounts, membership: Membership, permutations: Permutations
) -> Measurement:
    """Jensen-Shannon distance of word shares, p by permutation of rows.

    Words of one text come together, so that a test which takes words for independent draws calls
    drift almost always. And any two samples differ in their rare words: the effect is the root of
    the divergence less its mean under permutation.
    """
    totals = counts.table.sum(axis=1)
    if min(totals[side].sum() for side in (membership.before, membership.now)) == 0:
        return question.untold("one side has no words", membership.rows)
    found = permute_shares(counts.table, membership, permutations, question.name)
    distance = squared_distance(counts.table, membership, found)
    beyond = max(0.0, distance.value) ** 0.5
    test = permutations.test(membership)
    return question.answered(beyond, found.p_value, test, membership.rows, distance.roots)


def squared_distance(
    table: "csr_array", membership: Membership, found: Permuted
) -> SquaredDistance:
    """The divergence beyond that of the same rows dealt at random, and how sure it is.

    Args:
        table: (U, V) counts.
        membership: of the U rows.
        found: their distance, and those of the permutations.

    """
    influences = sum(
        _influences(table, side, other)
        for side, other in (
            (membership.before, membership.now),
            (membership.now, membership.before),
        )
    )
    squares = found.draws**2
    return SquaredDistance(
        value=found.observed**2 - float(squares.mean()),
        null_variance=float(squares.var()),
        linear_variance=float(membership.variance_of(np.asarray(influences))) / 4,
        units=min(membership.units),
    )


def _influences(
    table: "csr_array", side: NDArray[np.bool_], other: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """What each row of one side adds to the error of the divergence in bits, (U,)."""
    sums = np.asarray(side @ table, np.float64)
    total = sums.sum()
    shares, others = sums / total, np.asarray(other @ table, np.float64)
    middle = (shares + others / others.sum()) / 2
    # Words that this side lacks are in no row of it.
    slope = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    slope -= np.log2(middle, out=np.zeros_like(shares), where=shares > 0)
    rows = table @ (slope - slope @ shares)
    return np.asarray(rows * side / (2 * total))


def permute_shares(
    table: "csr_array", membership: Membership, permutations: Permutations, name: str
) -> Permuted:
    """Jensen-Shannon distance (base 2) of the two sides' column sums.

    Args:
        table: (U, V) counts.
        membership: of the U rows.
        permutations: of rows.
        name: of the question.

    """
    by_column = table.T.tocsr()  # (V, U)

    def distances(before: Floats, now: Floats) -> Draws:
        # NaN where a permutation leaves a side without anything: as far apart as can be.
        found = jensenshannon(by_column @ before, by_column @ now, base=2, axis=0)
        return np.asarray(np.nan_to_num(found, nan=1.0))

    return permutations.of(distances, membership, name)
