"""Whether the words that a method calls strong are those that the answer rests on.

DeYoung et al. 2020 (arXiv:1911.03429): comprehensiveness is how far the probability of the model's
own answer falls when the strongest words are left out, sufficiency how far it falls when nothing
but these is left; both are means over several shares of the words (AOPC, after Samek et al. 2017,
arXiv:1509.06321). High comprehensiveness and low sufficiency speak for a method.

A text without half of its words is none that the model was trained on, so that a fall may come from
the odd text and not from the lost word (Hooker et al. 2019, arXiv:1806.10758). Words in an order by
chance leave texts as odd: only what a method gains on these says something of the method.

An answer that lies at a place of the text, a tag or a span, would move where words before it are
left out: of such, a masked word is one that is left out (`ExplainedNetwork.without`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.explanation.methods import WordAttributions
from tasks.explanation.network import ExplainedNetwork, Floats, Ints, TokenIds
from tasks.explanation.words import EncodedText


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Of each of N rows; no number (NaN) of a row with fewer than two words.

    Attributes:
        comprehensiveness: (N,), from -1 to 1 of a probability.
        sufficiency: (N,) likewise; lower is better.

    """

    comprehensiveness: Floats
    sufficiency: Floats


def measure_faithfulness(
    network: ExplainedNetwork,
    encoded: Sequence[EncodedText],
    targets: Ints,
    by_method: Sequence[Sequence[WordAttributions]],
    shares: Sequence[float],
) -> list[Faithfulness]:
    """Faithfulness of several methods on the same N rows; all changed texts are asked together.

    Args:
        network: the model.
        encoded: the texts.
        targets: the model's own answers, (N,).
        by_method: for each method the attributions of the N texts.
        shares: of the words that are left out, or kept alone.

    """
    rows = [row for row, one in enumerate(encoded) if len(one.read) > 1]
    asked: list[TokenIds] = [encoded[row].ids for row in rows]
    owners = list(rows)
    for attributions in by_method:
        for row in rows:
            strongest = in_order(encoded[row], attributions[row])
            for share in shares:
                asked += _changed(network, encoded[row], strongest, share)
                owners += [row, row]
    owner = np.array(owners, np.int64)
    numbers = network.numbers(asked, targets[owner])
    whole = np.zeros(len(encoded))
    whole[rows] = numbers[: len(rows)]
    falls = network.moves(whole[owner], whole[owner]) - network.moves(numbers, whole[owner])
    parts = falls[len(rows) :].reshape(len(by_method), len(rows), len(shares), 2).mean(axis=2)
    found = np.full((len(by_method), len(encoded), 2), np.nan)
    found[:, rows] = parts
    return [Faithfulness(one[:, 0], one[:, 1]) for one in found]


def in_order(encoded: EncodedText, attributions: WordAttributions) -> list[int]:
    """Places of the words that the model reads, what speaks most for its answer first."""
    return sorted(encoded.read, key=lambda place: (-attributions.values[place], place))


def count_of(share: float, words: int) -> int:
    """How many of so many words a share is: at least one, and never all."""
    return min(words - 1, max(1, math.ceil(share * words)))


def _changed(
    network: ExplainedNetwork, encoded: EncodedText, strongest: Sequence[int], share: float
) -> tuple[TokenIds, TokenIds]:
    """Token ids without the strongest words, and with these alone."""
    count = count_of(share, len(strongest))
    return (
        network.without(encoded, frozenset(strongest[:count])),
        network.without(encoded, frozenset(strongest[count:])),
    )
