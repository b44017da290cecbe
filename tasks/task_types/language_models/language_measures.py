"""What is measured of a language model, and the model of characters that it has to beat."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tasks.resampling import Floats
from tasks.task_types.measures import Measure, Measured, unbounded_ratio

if TYPE_CHECKING:
    import pyarrow as pa


# Code points of Unicode: what a character that was never seen may be.
UNICODE = 0x110000


def likelihood_table(nll: Floats, tokens: Floats, texts: Sequence[str]) -> "dict[str, pa.Array]":
    """Columns that `measure_likelihood` reads.

    Args:
        nll: negative log-likelihood of each text in nats, (N,).
        tokens: tokens that it is summed over, (N,); 0 where the model has no tokens.
        texts: what was predicted.

    """
    import pyarrow as pa

    return {
        "nll": pa.array(np.asarray(nll, dtype=np.float64)),
        "tokens": pa.array(np.asarray(tokens, dtype=np.int64)),
        "bytes": pa.array([len(text.encode()) for text in texts], pa.int64()),
    }


def measure_likelihood(answers: "pa.Table") -> Measured:
    """Perplexity by token and bits per byte; only the second compares across tokenizers.

    A row's score is the geometric mean of the probability of its bytes, in (0, 1].
    """
    nll, tokens, size = (
        answers.column(name).to_numpy().astype(np.float64) for name in ("nll", "tokens", "bytes")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        row_scores = np.exp(-nll / np.where(size > 0, size, np.nan))
    return Measured(
        measures=(bits_per_byte(nll, size), perplexity("perplexity", nll, tokens)),
        row_scores=row_scores,
        leading=("bits_per_byte",),
    )


def perplexity(name: str, nll: Floats, tokens: Floats) -> Measure:
    """Exponential of the mean negative log-likelihood of a token.

    Args:
        name: of the metric.
        nll: summed over each row's tokens, in nats, (N,).
        tokens: of each row, (N,).

    """
    found = unbounded_ratio(name, nll, tokens, of_ratio=np.exp, by_token=True)
    return found if tokens.sum() > 0 else replace(found, reason="no token was predicted")


def bits_per_byte(nll: Floats, size: Floats) -> Measure:
    """Negative log-likelihood of the texts in bits, by byte of their UTF-8 form."""
    found = unbounded_ratio("bits_per_byte", nll / math.log(2), size)
    return found if size.sum() > 0 else replace(found, reason="the texts have no bytes")


def character_likelihood(train: Iterable[str], texts: Sequence[str]) -> Floats:
    """Negative log-likelihood in nats, (N,), of texts by the shares of single characters.

    Each character is counted once more than it was seen, and one more place is kept for those
    that were never seen (Laplace), shared out evenly over all code points.
    """
    counts: Counter[str] = Counter()
    for text in train:
        counts.update(text)
    places = counts.total() + len(counts) + 1
    cost = {sign: math.log(places / (count + 1)) for sign, count in counts.items()}
    unseen = math.log(places * UNICODE)
    return np.array(
        [
            sum(times * cost.get(sign, unseen) for sign, times in Counter(text).items())
            for text in texts
        ],
        dtype=np.float64,
    )


def character_baseline(train: Iterable[str], texts: Sequence[str]) -> "pa.Table":
    """What `character_likelihood` gives, as a table for `measure_likelihood`."""
    import pyarrow as pa

    nll = character_likelihood(train, texts)
    return pa.table(likelihood_table(nll, np.zeros(len(texts)), texts))
