"""Attributions by taking words away, which asks a model for nothing but its outputs.

Occlusion (Zeiler and Fergus 2014, arXiv:1311.2901; of words Li et al. 2016, arXiv:1612.08220): how
far the explained number falls when the filler stands in place of a word.
"""

from collections.abc import Sequence

import numpy as np

from tasks.explanation.network import ExplainedNetwork, Floats, Ints
from tasks.explanation.words import EncodedText


def occlusion(
    network: ExplainedNetwork, encoded: Sequence[EncodedText], targets: Ints
) -> list[Floats]:
    """What each word adds, (W,) of each of N texts; of words behind the cut it is no number.

    All changed texts are asked together, in batches of like length.

    Args:
        network: with or without gradients.
        encoded: the texts.
        targets: what is explained of each, (N,).

    """
    asked, owners = list[tuple[int, ...]](), list[int]()
    for row, one in enumerate(encoded):
        asked += [one.ids, *(masked(one, frozenset({at}), network.filler) for at in one.read)]
        owners += [row] * (1 + len(one.read))
    numbers = iter(network.numbers(asked, targets[owners]))
    found = []
    for one in encoded:
        whole = next(numbers)
        values = np.full(len(one.words), np.nan)
        for place in one.read:
            values[place] = whole - next(numbers)
        found.append(values)
    return found


def masked(encoded: EncodedText, gone: frozenset[int], filler: int) -> tuple[int, ...]:
    """Token ids with the filler in place of each token of some words."""
    return tuple(
        filler if word in gone else one
        for one, word in zip(encoded.ids, encoded.word_of, strict=True)
    )
