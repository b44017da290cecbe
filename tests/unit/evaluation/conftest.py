"""Rows of a classifier that is right as often as it is asked to be."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

Answered = tuple[pa.Table, pa.Table]
LABELS = ("a", "b", "c", "d")


def answered(
    seed: int, rows: int = 400, *, size: int = 4, sharpness: float = 2.0, digits: int | None = None
) -> Answered:
    """Rows with labels, and what a noisy classifier answers to them."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, size, rows)
    logits = random.normal(size=(rows, size)) + sharpness * np.eye(size)[truth]
    scores = np.exp(logits)
    scores /= scores.sum(axis=1, keepdims=True)
    if digits is not None:
        scores = scores.round(digits)
    names = [LABELS[label] for label in truth]
    return (
        pa.table({"row_id": [f"{row:08d}" for row in range(rows)], "label": names}),
        pa.table(
            {
                "predicted": pa.array(scores.argmax(axis=1), pa.int32()),
                "probabilities": pa.array(list(scores), pa.list_(pa.float64())),
            }
        ),
    )


@pytest.fixture
def answer() -> Callable[..., Answered]:
    return answered
