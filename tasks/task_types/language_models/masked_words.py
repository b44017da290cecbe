"""Parts of texts with hidden words, and how right a model's guesses of them are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tasks.task_types.examples import IGNORED, Batch
from tasks.task_types.language_models.likelihood import labelled_batch, row_sums

if TYPE_CHECKING:
    from torch import Tensor

# Of each row: negative log-likelihood of its hidden tokens in nats, these tokens, those right, its
# hidden words, and those right.
SUMS: Final = ("nll", "tokens", "right_tokens", "words", "right_words")


@dataclass(frozen=True)
class Window:
    """A part of a text with hidden words.

    Attributes:
        text: place of its text.
        ids: T token ids, hidden ones replaced.
        words: T numbers of words.
        labels: T true tokens where hidden, IGNORED elsewhere.

    """

    text: int
    ids: NDArray[np.int64]
    words: NDArray[np.int64]
    labels: NDArray[np.int64]


def batch_of(windows: Sequence[Window], pad_id: int) -> Batch:
    """Windows as one padded batch."""
    return labelled_batch(
        [window.ids for window in windows], [window.labels for window in windows], pad_id
    )


def sums_of_windows(
    logits: "Tensor", batch: Batch, windows: Sequence[Window]
) -> NDArray[np.float64]:
    """The `SUMS` of each window, (W, 5).

    Args:
        logits: (W, T, V).
        batch: of these windows.
        windows: W of them.

    """
    guesses = logits.argmax(dim=-1).cpu().numpy()
    counts = [
        _count_words(window, guess[: len(window.ids)])
        for window, guess in zip(windows, guesses, strict=True)
    ]
    return np.hstack([row_sums(logits, batch.labels["labels"]).cpu().numpy(), np.array(counts)])


def _count_words(window: Window, guesses: NDArray[np.int64]) -> tuple[int, int]:
    """Hidden words, and those of which every token is right."""
    hidden = window.labels != IGNORED
    words = np.unique(window.words[hidden])
    wrong = np.unique(window.words[hidden & (guesses != window.labels)])
    return len(words), len(words) - len(wrong)
