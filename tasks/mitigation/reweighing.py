"""Weights under which group and label are independent (Kamiran and Calders 2012).

Of training rows with group a and label y, each counts by

    w(a, y) = P(a) P(y) / P(a, y)

(doi:10.1007/s10115-011-0463-8), with shares of the rows that belong to a group. Then
each group has the labels in the shares that all groups together have them in; the weight of a
group, that of a label and that of all rows stay what they were. Rows of no group count once.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.records.reweighing import Reweighing, WeighedCell

NO_GROUP = -1


def cell_counts(
    groups: NDArray[np.int64], labels: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Rows of each group with each label, (A, L).

    Args:
        groups: group of each of N rows, (N,); NO_GROUP where it belongs to none.
        labels: label of each, (N,).
        shape: number of groups and of labels.

    """
    counts = np.zeros(shape, np.int64)
    inside = groups != NO_GROUP
    np.add.at(counts, (groups[inside], labels[inside]), 1)
    return counts


def independent_weights(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The factor of each group's rows with each label, (A, L); NaN where there is no row.

    Args:
        counts: rows of each group with each label, (A, L), at least one in all.

    """
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / counts.sum()
    weights: NDArray[np.float64] = np.full(counts.shape, np.nan)
    np.divide(expected, counts, out=weights, where=counts > 0)
    return weights


def weights_of_rows(
    groups: NDArray[np.int64], labels: NDArray[np.int64], by_cell: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The factor on the loss of each row, (N,); 1 for rows of no group."""
    weights = np.ones(len(groups), np.float32)
    inside = groups != NO_GROUP
    weights[inside] = by_cell[groups[inside], labels[inside]]
    return weights


def described(
    attribute: str,
    groups: Sequence[str],
    labels: Sequence[str],
    counts: NDArray[np.int64],
    asked: NDArray[np.float64],
    taken: NDArray[np.float64],
    other_rows: int,
) -> Reweighing:
    """The weights as a record.

    Args:
        attribute: whose groups.
        groups: A names.
        labels: L names.
        counts: rows, (A, L).
        asked: factors before they were cut, (A, L); NaN where there is no row.
        taken: factors, (A, L).
        other_rows: of no group.

    """
    cells = tuple(
        WeighedCell(
            group, label, int(counts[a, y]),
            float(taken[a, y]) if counts[a, y] else None,
            float(asked[a, y]) if counts[a, y] else None,
        )
        for a, group in enumerate(groups)
        for y, label in enumerate(labels)
    )  # fmt: skip
    return Reweighing(attribute, cells, int(counts.sum()), other_rows)
