"""How likely a language model holds given tokens: loss, sums of rows, and scoring of texts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.task_types.examples import IGNORED, Batch, pad, pad_like

if TYPE_CHECKING:
    from torch import Tensor

# Token ids, labels or numbers of words, one a token.
Numbers: TypeAlias = Sequence[int] | NDArray[np.integer[Any]]


def next_token_labels(ids: Sequence[int], first: int = 1) -> NDArray[np.int64]:
    """The token after each, to be predicted there; IGNORED at the last.

    Args:
        ids: T token ids.
        first: place of the first token that shall be predicted.

    """
    labels = np.full(len(ids), IGNORED, dtype=np.int64)
    labels[first - 1 : -1] = np.asarray(ids, dtype=np.int64)[first:]
    return labels


def labelled_batch(rows: Sequence[Numbers], labels: Sequence[Numbers], pad_id: int) -> Batch:
    """A padded batch with a label (B, T) at each token that the loss counts."""
    return Batch(pad(rows, pad_id), {"labels": pad_like(labels, IGNORED)})


def label_tokens(batch: Batch) -> "Tensor":
    """Tokens that the loss is a mean over, a scalar."""
    return (batch.labels["labels"] != IGNORED).sum()


def summed_loss(
    logits: "Tensor", labels: "Tensor", *, smoothing: float = 0.0, few: bool = False
) -> "Tensor":
    """Cross-entropy in nats, summed over the labelled tokens, in float32.

    Args:
        logits: (B, T, V).
        labels: (B, T), IGNORED where nothing is asked.
        smoothing: probability that is spread over the whole vocabulary.
        few: whether most tokens have no label, so that their scores had better be left out first.

    """
    from torch.nn.functional import cross_entropy

    if few:
        asked = labels != IGNORED
        logits, labels = logits[asked], labels[asked]  # (M, V), (M,)
    else:
        logits, labels = logits.flatten(0, 1), labels.flatten()
    return cross_entropy(
        logits.float(), labels, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing
    )


def row_sums(logits: "Tensor", labels: "Tensor") -> "Tensor":
    """Of each row its negative log-likelihood in nats, its labelled tokens and those right, (B, 3).

    Args:
        logits: (B, T, V).
        labels: (B, T), IGNORED where nothing is asked.

    """
    import torch

    rows = []
    for scores, wanted in zip(logits, labels, strict=True):
        # One row after the other: a batch's logarithms would take as much memory as its scores.
        asked = wanted != IGNORED
        kept, tokens = scores[asked].float(), wanted[asked]
        lost = kept.logsumexp(dim=-1) - kept.gather(-1, tokens[:, None]).squeeze(-1)
        right = kept.argmax(dim=-1) == tokens
        rows.append(torch.stack([lost.double().sum(), asked.sum(), right.sum()]))
    return torch.stack(rows)
