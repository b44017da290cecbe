"""What each word of a text adds to an answer, by any of the methods."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from infra.errors import SettingsError
from tasks.explanation.gradients import (
    TokenAttributions,
    gradient_x_input,
    integrated_gradients,
)
from tasks.explanation.network import ExplainedNetwork, Floats, Ints
from tasks.explanation.occlusion import occlusion
from tasks.explanation.rollout import attention_rollout
from tasks.explanation.words import NO_WORD, EncodedText
from tasks.records.explanation import OF_TORCH

# Words in an order by chance: what a method that knows nothing of the model comes to.
RANDOM: Final = "random"
# Methods that tell how much a word matters, and not for or against what.
UNSIGNED: Final = frozenset({"attention_rollout", RANDOM})


@dataclass(frozen=True, eq=False)
class WordAttributions:
    """What each word of one text adds to the explained number.

    Attributes:
        values: (W,); no number (NaN) of a word that the model does not read.
        delta: convergence delta of integrated gradients; None of other methods.
        is_exact: whether the delta is within the tolerance; True of other methods.

    """

    values: Floats
    delta: float | None = None
    is_exact: bool = True


def why_no_method(network: ExplainedNetwork, method: str) -> str:
    """Why a model cannot be explained by a method; empty where it can."""
    if network.has_gradients or method not in OF_TORCH:
        return ""
    return (
        f"{method} asks for gradients or attention, and the model is compressed to ONNX, which "
        "gives its outputs alone; occlusion is a method for it"
    )


def check_method(network: ExplainedNetwork, method: str) -> None:
    """Refuse a method by which a model cannot be explained.

    Raises:
        SettingsError: the message names one that can.

    """
    if why := why_no_method(network, method):
        raise SettingsError(why)


def attribute(
    network: ExplainedNetwork, encoded: Sequence[EncodedText], targets: Ints, method: str
) -> list[WordAttributions]:
    """What the words of N texts add, each to its own target.

    Args:
        network: the model.
        encoded: the texts.
        targets: what is explained of each, (N,); of answers at places (N, ...).
        method: of `settings.METHODS`, or `RANDOM`.

    Raises:
        SettingsError: the model cannot be explained by the method, or a package is missing.
        TrainingError: the model gives a score that is no number.

    """
    check_method(network, method)
    if method == RANDOM:
        return [WordAttributions(_by_chance(one)) for one in encoded]
    if method == "occlusion":
        return [WordAttributions(one) for one in occlusion(network, encoded, targets)]
    if method == "attention_rollout":
        tokens = attention_rollout(network, encoded, targets)
    elif method == "gradient_x_input":
        tokens = gradient_x_input(network, encoded, targets)
    elif method == "integrated_gradients":
        tokens = integrated_gradients(network, encoded, targets)
    else:
        raise SettingsError(f"{method!r} is no method of explanation")
    return [by_word(one, found) for one, found in zip(encoded, tokens, strict=True)]


def by_word(encoded: EncodedText, tokens: TokenAttributions) -> WordAttributions:
    """The attributions of the tokens of each word, summed; special tokens are left out."""
    values = np.full(len(encoded.words), np.nan)
    values[list(encoded.read)] = 0.0
    for place, value in zip(encoded.word_of, tokens.values, strict=True):
        if place != NO_WORD:
            values[place] += value
    return WordAttributions(values, tokens.delta, tokens.is_exact)


def _by_chance(encoded: EncodedText) -> Floats:
    """A number from 0 to 1 for each word, the same each time for the same text."""
    seed = int.from_bytes(hashlib.sha256(encoded.text.encode()).digest()[:8], "big")
    values = np.full(len(encoded.words), np.nan)
    values[list(encoded.read)] = np.random.default_rng(seed).random(len(encoded.read))
    return values
