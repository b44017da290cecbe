"""How rare a test row is beside what was trained on: its words, its label, its length.

A model that is right on average may be wrong where it has seen little. These are features of
slices, so that rows of rare words, of tail labels and beyond the lengths of training are measured
apart; they cost a pass over the training texts, and are made where a line names them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.evaluation.settings import (
    BEYOND_LENGTH,
    OF_RARITY,
    RARE_WORDS,
    TAIL_LABEL,
    SliceSettings,
)
from tasks.row_expressions import check_expression
from tasks.task_types.rows import RowShape, texts_of
from tasks.task_types.unspaced import UNSPACED_SHARE, unspaced_share

# A word that fewer training rows hold is rare.
LEAST_ROWS: Final = 3
# The rarest labels that together hold at most this share of the training rows are the tail.
TAIL_SHARE: Final = 0.2
# Longer than this share of the training rows is beyond their lengths.
LENGTH_SHARE: Final = 0.99


def asked_of_rarity(settings: SliceSettings) -> frozenset[str]:
    """Which of these features the slices of a line name, by themselves or in an expression."""
    named = {*settings.by, *(name for text in settings.where.values() for name in _read_by(text))}
    return frozenset(OF_RARITY) & named


def with_rarity(
    rows: pa.Table, train: pa.Table, shape: RowShape, asked: frozenset[str]
) -> pa.Table:
    """The rows with those of the features that are asked for.

    - rare_words: share of a text's distinct words that fewer than `LEAST_ROWS` training rows hold;
      of texts without spaces, of its pairs of signs.
    - tail_label: whether its label is one of the rarest, which together hold at most `TAIL_SHARE`
      of the training rows; only where a row has one label.
    - beyond_length: whether it has more characters than `LENGTH_SHARE` of the training rows.

    A column of the rows' own with one of these names stays.

    Args:
        rows: the test rows, (N,).
        train: the training rows.
        shape: of the task type.
        asked: names of the features.

    """
    own, known = (pc.fill_null(texts_of(shape, one), "") for one in (rows, train))
    made: dict[str, pa.Array] = {}
    if RARE_WORDS in asked:
        made[RARE_WORDS] = pa.array(rare_share(own.to_pylist(), known.to_pylist()))
    if TAIL_LABEL in asked and shape.has_one_class and shape.label_column:
        tail = tail_labels(Counter(train[shape.label_column].to_pylist()))
        held = [label in tail for label in rows[shape.label_column].to_pylist()]
        made[TAIL_LABEL] = pa.array(held)
    if BEYOND_LENGTH in asked:
        lengths, limits = (pc.utf8_length(one).to_numpy().astype(np.int64) for one in (own, known))
        limit = np.quantile(limits, LENGTH_SHARE, method="inverted_cdf")
        made[BEYOND_LENGTH] = pa.array(lengths > limit)
    for name, column in made.items():
        if name not in rows.column_names:
            rows = rows.append_column(name, column)
    return rows


def rare_share(texts: list[str], known: list[str]) -> list[float]:
    """Share of each text's distinct words that few of the known texts hold; 0 of one without."""
    from sklearn.feature_extraction.text import CountVectorizer

    by_signs = unspaced_share(known) > UNSPACED_SHARE
    split = CountVectorizer(
        analyzer="char" if by_signs else "word", ngram_range=(2, 2) if by_signs else (1, 1)
    ).build_analyzer()
    held = Counter(word for text in known for word in set(split(text)))
    return [_share(set(split(text)), held) for text in texts]


def _share(words: set[str], held: Mapping[str, int]) -> float:
    if not words:
        return 0.0
    return sum(held.get(word, 0) < LEAST_ROWS for word in words) / len(words)


def tail_labels(rows: Mapping[str, int]) -> frozenset[str]:
    """The rarest labels that together hold at most `TAIL_SHARE` of the rows.

    Args:
        rows: of each label.

    """
    total, seen, tail = sum(rows.values()), 0, set[str]()
    for label, count in sorted(rows.items(), key=lambda item: (item[1], str(item[0]))):
        seen += count
        if seen > TAIL_SHARE * total:
            break
        tail.add(label)
    return frozenset(tail)


def _read_by(text: str) -> Iterable[str]:
    """Names in an expression; one that cannot be read has been refused with the settings."""
    try:
        return check_expression(text)
    except ValueError:
        return ()
