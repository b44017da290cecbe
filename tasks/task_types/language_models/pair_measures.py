"""What is measured of guesses about pairs of sentences, and the guess that they have to beat."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.resampling import Floats
from tasks.task_types.language_models.masked_measures import (
    WORD,
    frequent_word_baseline,
    measure_masked,
    share_of,
)
from tasks.task_types.language_models.masked_words import SUMS
from tasks.task_types.language_models.sentence_pairs import IS_NEXT, SentencePair
from tasks.task_types.measures import Measured

if TYPE_CHECKING:
    import pyarrow as pa


def pair_table(
    pairs: Sequence[SentencePair], follows: Floats, hidden: Floats, documents: int
) -> "pa.Table":
    """Arrow table of N documents: pairs, those that are right, and the `SUMS` of hidden words.

    Args:
        pairs: P pairs.
        follows: probability (P,) that the second sentence follows.
        hidden: the `SUMS` of each pair, (P, 5).
        documents: N.

    """
    import pyarrow as pa

    right = (np.asarray(follows) >= 1 / 2) == [pair.label == IS_NEXT for pair in pairs]
    table = np.zeros((documents, 2 + len(SUMS)))
    each = np.column_stack([np.ones(len(pairs)), right, np.asarray(hidden)])
    np.add.at(table, [pair.document for pair in pairs], each)
    names = ("pairs", "right_pairs", *SUMS)
    return pa.table({name: pa.array(table[:, column]) for column, name in enumerate(names)})


def measure_pairs(answers: "pa.Table") -> Measured:
    """Shares of pairs and of hidden words that are right; a row's score is that of its pairs."""
    pairs, right = (answers.column(name).to_numpy() for name in ("pairs", "right_pairs"))
    with np.errstate(divide="ignore", invalid="ignore"):
        row_scores = np.where(pairs > 0, right / pairs, np.nan)
    masked = measure_masked(answers)
    accuracy = share_of("next_sentence_accuracy", right, pairs)
    return Measured(
        measures=(accuracy, *masked.measures),
        row_scores=row_scores,
        leading=("next_sentence_accuracy", *masked.leading),
    )


def shared_words_baseline(
    train: Sequence[SentencePair], test: Sequence[SentencePair], documents: int
) -> "pa.Table | str":
    """A sentence follows another if they share enough words; how many, the training pairs tell.

    Args:
        train: pairs to learn from.
        test: pairs to judge.
        documents: of the test pairs.

    Returns:
        As `pair_table`; or a string, the reason why there is none.

    """
    if not train:
        return "the training texts have no pairs of sentences"
    texts = [[f"{pair.first} {pair.second}" for pair in side] for side in (train, test)]
    hidden = frequent_word_baseline(*texts)
    if isinstance(hidden, str):
        return hidden
    shared = _shared_words(train)
    true = np.array([pair.label == IS_NEXT for pair in train])
    bounds = np.append(np.unique(shared), np.inf)
    right = [((shared >= bound) == true).sum() for bound in bounds]
    follows = _shared_words(test) >= bounds[int(np.argmax(right))]
    sums = np.column_stack([hidden.column(name).to_numpy() for name in SUMS])
    return pair_table(test, follows.astype(np.float64), sums, documents)


def _shared_words(pairs: Sequence[SentencePair]) -> NDArray[np.float64]:
    """Share (P,) of the words of the shorter sentence that stand in the other too."""
    shares = []
    for pair in pairs:
        first, second = (set(WORD.findall(text.lower())) for text in (pair.first, pair.second))
        shares.append(len(first & second) / max(min(len(first), len(second)), 1))
    return np.array(shares, dtype=np.float64)
