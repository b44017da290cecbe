"""What the candidate says of the test rows, as the groups are compared in it."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from infra.errors import DataError
from tasks.resampling import Floats, Ints


@dataclass(frozen=True)
class ClassAnswers:
    """One label a row.

    Attributes:
        truth: class ids, shape (N,).
        predicted: class ids, shape (N,).
        labels: names of the L class ids.
        probabilities: shape (N, L); None where the model gives none.

    """

    truth: Ints
    predicted: Ints
    labels: tuple[str, ...]
    probabilities: Floats | None


@dataclass(frozen=True)
class ScoredAnswers:
    """How right the answer to each row is, shape (N,), from 0 to 1; NaN where nobody can tell."""

    scores: Floats


def read_answers(scored: pa.Table, labels: tuple[str, ...]) -> ClassAnswers | ScoredAnswers:
    """The answers by class where the scores hold classes, else by the score of each row.

    Args:
        scored: columns of a Scores artifact.
        labels: names of the class ids.

    Raises:
        DataError: the scores hold neither, a class id is missing or unknown, or the probabilities
            are not one a label.

    """
    if {"label", "predicted"} <= set(scored.column_names):
        return ClassAnswers(
            truth=class_ids(scored, "label", labels),
            predicted=class_ids(scored, "predicted", labels),
            labels=labels,
            probabilities=_probabilities(scored, len(labels)),
        )
    if "row_score" not in scored.column_names:
        raise DataError(
            f"the scores have the columns {scored.column_names}; groups are compared in label and "
            "predicted, or in row_score: score these rows again"
        )
    scores = pc.fill_null(scored["row_score"].cast(pa.float64()), float("nan"))
    return ScoredAnswers(scores.to_numpy())


def class_ids(scored: pa.Table, name: str, labels: tuple[str, ...]) -> Ints:
    """A column of class ids of a Scores artifact, (N,).

    Raises:
        DataError: one is missing, or is none of the labels.

    """
    column = scored[name]
    if column.null_count:
        raise DataError(f"the scores lack the {name} of {column.null_count:,} test rows")
    ids: Ints = np.asarray(column.to_numpy(), dtype=np.int64)
    if len(ids) and (ids.min() < 0 or ids.max() >= len(labels)):
        raise DataError(
            f"the scores hold {name} {ids.min()} to {ids.max()}, and the label set has "
            f"{len(labels)} labels; score these rows again"
        )
    return ids


def _probabilities(scored: pa.Table, size: int) -> Floats | None:
    if "probabilities" not in scored.column_names:
        return None
    lists = scored["probabilities"].combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    if not pc.all(pc.equal(lengths, size)).as_py() and len(lists):
        raise DataError(f"a test row has not {size} probabilities, one a label; score it again")
    flat = pc.fill_null(pc.list_flatten(lists).cast(pa.float64()), float("nan"))
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(-1, size)
