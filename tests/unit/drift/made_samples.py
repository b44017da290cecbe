"""Sides of made-up rows, whose words depend on their label and come together in a row."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tasks.drift.row_samples import Labels, RowSample, SampledRow, numbers_of

WORDS = np.array([f"w{number}" for number in range(40)])
LABELS = np.array(["a", "b", "c"])


def made_row(random: np.random.Generator, text: str, labels: Labels = ("a",)) -> SampledRow:
    key = int(random.integers(0, 2**63))
    return SampledRow(key, f"{key:064x}", text, labels)


def made_rows(random: np.random.Generator, count: int, *, other: bool = False) -> list[SampledRow]:
    """Rows of three labels; with `other`, of another label mix and longer."""
    labels = LABELS[random.choice(3, count, p=[0.1, 0.2, 0.7] if other else [0.5, 0.3, 0.2])]
    lengths = random.integers(3, 12, count) + 8 * other
    rarity = 1 / np.arange(1, len(WORDS) + 1)
    rows = []
    for label, length in zip(labels.tolist(), lengths.tolist(), strict=True):
        shares = rarity[::-1] if label == "c" else rarity
        words = random.choice(WORDS, length, p=shares / shares.sum())
        rows.append(made_row(random, " ".join(words), (label,)))
    return rows


def made_side(rows: Sequence[SampledRow]) -> RowSample:
    """All rows are drawn."""
    lengths = Counter(len(row.text) for row in rows)
    labels = Counter(label for row in rows for label in row.labels)
    ordered = tuple(sorted(rows, key=lambda row: row.key))
    return RowSample(
        *numbers_of(ordered),
        length_counts=dict(lengths),
        label_counts=dict(labels),
        sample=ordered,
    )
