"""Parts of texts with hidden words, and how right a model's guesses of them are."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tasks.task_types.examples import IGNORED, Batch
from tasks.task_types.language_models.likelihood import Numbers, labelled_batch, row_sums
from tasks.task_types.language_models.masking import NO_WORD

if TYPE_CHECKING:
    from torch import Tensor

# Of each row: negative log-likelihood of its hidden tokens in nats, these tokens, those right, its
# hidden words, and those right.
SUMS: Final = ("nll", "tokens", "right_tokens", "words", "right_words")

# At evaluation every seventh word is masked, about as many as in training.
EVERY: Final = 7


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


def hide_every_seventh(
    ids: Numbers, words: Numbers, text: str, mask_id: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `mask_words`, but always the same words of a text, at least one, and all by the mask.

    Args:
        ids: T token ids.
        words: number of the word of each token.
        text: its SHA-256 says which word is the first.
        mask_id: the mask token.

    """
    tokens, numbers = np.asarray(ids, dtype=np.int64), np.asarray(words)
    distinct = np.unique(numbers[numbers != NO_WORD])
    first = first_hidden(text, len(distinct))
    hidden = np.isin(numbers, distinct[first::EVERY])
    return np.where(hidden, mask_id, tokens), np.where(hidden, tokens, IGNORED)


def first_hidden(text: str, words: int) -> int:
    """Place of the first word that `hide_every_seventh` hides."""
    return hashlib.sha256(text.encode()).digest()[0] % max(min(EVERY, words), 1)
