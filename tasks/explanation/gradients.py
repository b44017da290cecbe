"""Attributions by gradients, worked out by Captum over batches of texts of one length.

Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365): the gradient of the explained
number along the straight path from a baseline's embeddings to the text's, times the difference. The
baseline has the filler token in place of each token of a word. The attributions sum to the
difference between the numbers of both; how far they miss it is the convergence delta.

The same law holds of each part of the path, so that it shows where on it the gradient turns too
sharply for a few points: that part is halved, and again, and the attributions of the parts are
summed. A model that is sure of its answers changes its mind within a hundredth of the path, which
evenly set points miss.

Gradient times input (Shrikumar et al. 2016, arXiv:1605.01713): the same by the one gradient at the
text itself, against embeddings of zero. It sums to nothing in particular.
"""

import importlib.util
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from infra.errors import SettingsError
from tasks.explanation.network import ExplainedNetwork, Floats, Ints
from tasks.explanation.words import NO_WORD, EncodedText
from tasks.task_types.scoring import token_budget

if TYPE_CHECKING:
    import torch

# Points of the Gauss-Legendre rule on a part of the path.
POINTS: Final = 10
# How far the sum of a part may miss its difference before it is halved, in the explained number,
# and as a share of the whole difference where that is above 1.
TOLERANCE: Final = 0.002
# How far all parts together may miss for the attributions to count as exact, likewise.
EXACT_WITHIN: Final = 0.01
# Halvings of a part at most: to a thousandth of the path.
MAX_HALVINGS: Final = 10


@dataclass(frozen=True, eq=False)
class TokenAttributions:
    """What each token adds to the explained number.

    Attributes:
        values: (T,).
        gradients: that they were made of; 0 where by none.
        delta: convergence delta: their sum less the difference that it must be; None where the
            method has no such law.
        is_exact: whether the delta is within `EXACT_WITHIN`; True where there is none.

    """

    values: Floats
    gradients: int = 1
    delta: float | None = None
    is_exact: bool = True


class _Part(NamedTuple):
    """A part of a row's path, from 0 at the baseline to 1 at the text, and the numbers there."""

    row: int
    start: float
    end: float
    low: float
    high: float
    halvings: int = 0


def check_captum() -> None:
    """Make sure that Captum is here.

    Raises:
        SettingsError: it is not.

    """
    if importlib.util.find_spec("captum") is None:
        raise SettingsError(
            "the methods integrated_gradients and gradient_x_input are Captum's, and the package "
            "captum is not installed; install assayline[explanation], or ask for occlusion or "
            "attention_rollout alone"
        )


def integrated_gradients(
    network: ExplainedNetwork,
    encoded: Sequence[EncodedText],
    targets: Ints,
    *,
    points: int = POINTS,
    max_halvings: int = MAX_HALVINGS,
) -> list[TokenAttributions]:
    """Integrated gradients of N texts, with as many points on the path as each asks for.

    Args:
        network: with gradients.
        encoded: the texts.
        targets: what is explained of each, (N,).
        points: on a part of the path.
        max_halvings: of a part; 0 for so many points on the whole path and no more.

    """
    check_captum()
    ids = [one.ids for one in encoded]
    bases = [baseline_of(one, network.filler) for one in encoded]
    ends = network.numbers([*ids, *bases], np.concatenate([targets, targets]))
    high, low = ends[: len(ids)], ends[len(ids) :]
    values = [np.zeros(len(one)) for one in ids]
    taken = np.zeros(len(ids), np.int64)
    waiting = [_Part(row, 0.0, 1.0, low[row], high[row]) for row in range(len(ids))]
    while waiting:
        halved: list[_Part] = []
        lengths = [len(ids[part.row]) for part in waiting]
        for places in _of_one_length(lengths, points, network):
            parts = [waiting[place] for place in places]
            found = _integrate(network, ids, bases, targets, parts, points)
            for part, value in zip(parts, found, strict=True):
                missed = abs(value.sum() - (part.high - part.low))
                allowed = TOLERANCE * max(1.0, abs(high[part.row] - low[part.row]))
                taken[part.row] += points
                if missed > allowed and part.halvings < max_halvings:
                    halved.append(part)
                else:
                    values[part.row] += value
        waiting = _halves(network, ids, bases, targets, halved)
    apart = high - low
    return [
        TokenAttributions(
            value, int(taken[row]), delta := float(value.sum() - apart[row]),
            abs(delta) <= EXACT_WITHIN * max(1.0, abs(apart[row])),
        )
        for row, value in enumerate(values)
    ]  # fmt: skip


def gradient_x_input(
    network: ExplainedNetwork, encoded: Sequence[EncodedText], targets: Ints
) -> list[TokenAttributions]:
    """Gradient times input of N texts; arguments as of `integrated_gradients`."""
    check_captum()
    from captum.attr import InputXGradient

    ids = [one.ids for one in encoded]
    found: dict[int, TokenAttributions] = {}
    method = InputXGradient(_Forward(network))
    for rows in _of_one_length([len(one) for one in ids], 1, network):
        embedded = _embedded(network, [ids[row] for row in rows]).requires_grad_()
        values = method.attribute(embedded, additional_forward_args=_on(network, targets[rows]))
        for row, value in zip(rows, _summed(values), strict=True):
            found[row] = TokenAttributions(value)
    return [found[row] for row in range(len(ids))]


def baseline_of(encoded: EncodedText, filler: int) -> tuple[int, ...]:
    """Token ids with the filler in place of each token of a word; special tokens stay."""
    return tuple(
        one if word == NO_WORD else filler
        for one, word in zip(encoded.ids, encoded.word_of, strict=True)
    )


class _Forward:
    """The explained number of embeddings; rows of one length need no mask."""

    def __init__(self, network: ExplainedNetwork) -> None:
        self._network = network

    def __call__(self, embedded: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
        network = self._network
        beside = network.inputs_beside(targets, embedded.shape[1])
        outputs = network.read(network.model(inputs_embeds=embedded, **beside)).float()
        return network.explained(outputs, targets)


def _integrate(
    network: ExplainedNetwork,
    ids: Sequence[Sequence[int]],
    bases: Sequence[Sequence[int]],
    targets: Ints,
    parts: Sequence[_Part],
    points: int,
) -> list[Floats]:
    """Attributions of parts of the paths of rows of one length."""
    from captum.attr import IntegratedGradients

    starts, ends = _at(network, ids, bases, parts, [(part.start, part.end) for part in parts])
    at_once = max(1, token_budget(network.model) // starts.shape[1])
    with warnings.catch_warnings():
        # It warns where a batch holds fewer points than rows.
        warnings.simplefilter("ignore", UserWarning)
        values: Any = IntegratedGradients(_Forward(network)).attribute(
            ends,
            starts,
            additional_forward_args=_on(network, targets[[part.row for part in parts]]),
            n_steps=points,
            method="gausslegendre",
            internal_batch_size=max(len(parts), min(at_once, points * len(parts))),
        )
    return _summed(values)


def _halves(
    network: ExplainedNetwork,
    ids: Sequence[Sequence[int]],
    bases: Sequence[Sequence[int]],
    targets: Ints,
    parts: Sequence[_Part],
) -> list[_Part]:
    """Both halves of each part, with the number at its middle."""
    import torch

    found: list[_Part] = []
    for places in _of_one_length([len(ids[part.row]) for part in parts], 1, network):
        chosen = [parts[place] for place in places]
        middles = [(part.start + part.end) / 2 for part in chosen]
        (embedded,) = _at(network, ids, bases, chosen, [(middle,) for middle in middles])
        with torch.no_grad():
            on = _on(network, targets[[part.row for part in chosen]])
            numbers = _Forward(network)(embedded, on).double().cpu().tolist()
        for part, middle, number in zip(chosen, middles, numbers, strict=True):
            deeper = part.halvings + 1
            found.append(_Part(part.row, part.start, middle, part.low, number, deeper))
            found.append(_Part(part.row, middle, part.end, number, part.high, deeper))
    return found


def _at(
    network: ExplainedNetwork,
    ids: Sequence[Sequence[int]],
    bases: Sequence[Sequence[int]],
    parts: Sequence[_Part],
    places: Sequence[tuple[float, ...]],
) -> "list[torch.Tensor]":
    """Embeddings (B, T, D) at places on the paths of some parts, one tensor a place."""
    import torch

    text = _embedded(network, [ids[part.row] for part in parts])
    base = _embedded(network, [bases[part.row] for part in parts])
    found = []
    for at in zip(*places, strict=True):
        share = torch.tensor(at, dtype=text.dtype, device=text.device)[:, None, None]
        found.append(base + share * (text - base))
    return found


def _of_one_length(
    lengths: Sequence[int], points: int, network: ExplainedNetwork
) -> Iterator[list[int]]:
    """Rows of one length together, as many as fit into the token budget with their points.

    Without padding no model needs a mask beside embeddings: decoders cannot tell padding by them.
    """
    by_length: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        by_length.setdefault(length, []).append(row)
    for length, rows in sorted(by_length.items(), reverse=True):
        size = max(1, token_budget(network.model) // (length * points))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


def _embedded(network: ExplainedNetwork, ids: Sequence[Sequence[int]]) -> "torch.Tensor":
    """Embeddings (B, T, D) of rows of one length."""
    import torch

    with torch.no_grad():
        table = network.model.get_input_embeddings()
        found: torch.Tensor = table(torch.tensor(ids, device=network.model.device))
    return found


def _on(network: ExplainedNetwork, targets: Ints) -> "torch.Tensor":
    import torch

    return torch.from_numpy(targets).to(network.model.device)


def _summed(values: "torch.Tensor") -> list[Floats]:
    """Attributions (B, T, D) summed over the embedding, a row each."""
    return list(values.detach().sum(dim=-1).double().cpu().numpy())
