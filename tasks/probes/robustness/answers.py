"""Two answers to one row, before and after a change: whether they are the same, and how far apart.

An answer is compared without its scores: labels, tags, passages. Of a number, which no change
leaves as it is to the last digit, a move by more than a share of the range of the targets counts.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from infra.errors import SettingsError
from tasks.resampling import Floats
from tasks.task_types.answer_columns import ANSWER, PROBABILITIES, comparable
from tasks.task_types.rows import RowShape

_SHOWN: Final = 80


@dataclass(frozen=True)
class Moves:
    """What changes did to the answers of M rows.

    Attributes:
        flipped: whether each answer is another, (M,).
        shifts: how far each score moved, (M,), from 0 to 1.

    """

    flipped: NDArray[np.bool_]
    shifts: Floats


def moves_of(
    before: pa.Table,
    after: pa.Table,
    row_scores: tuple[Floats, Floats],
    shape: RowShape,
    tolerance: float,
    span: float,
) -> Moves:
    """How the answers of M rows differ from those to the changed rows.

    The score is the probability of a label where answers have such, of which the largest move of
    all counts; else the number over the range of the targets, or how right the row is.

    Args:
        before: answers to the rows as they are, (M,), as `Examiner.predict` gives them.
        after: answers to the changed rows.
        row_scores: how right either is, (M,) each.
        shape: of the task type.
        tolerance: share of the span beyond which a number has moved.
        span: range of the test targets, where the answer is a number.

    Raises:
        SettingsError: a task type of one's own answers other than by one number.

    """
    pairs = list(zip(before[ANSWER].to_pylist(), after[ANSWER].to_pylist(), strict=True))
    if shape.target_column is not None:
        numbers = np.array([[_number(one) for one in pair] for pair in pairs]).reshape(-1, 2)
        moved = np.abs(numbers[:, 1] - numbers[:, 0]) / (span or 1.0)
        return Moves(moved > tolerance, np.minimum(moved, 1.0))
    flipped = np.array([_said(one, shape) != _said(other, shape) for one, other in pairs], bool)
    if PROBABILITIES in before.column_names:
        told = [np.array(one[PROBABILITIES].to_pylist(), np.float64) for one in (before, after)]
        sides = [one.reshape(len(pairs), -1) for one in told]
        shifts = np.abs(sides[1] - sides[0]).max(axis=1, initial=0.0)
    else:
        shifts = np.abs(np.nan_to_num(row_scores[1]) - np.nan_to_num(row_scores[0]))
    return Moves(flipped, np.clip(shifts, 0.0, 1.0))


def shown(answer: str, shape: RowShape) -> str:
    """An answer in a few words."""
    if shape.target_column is not None:
        return f"{_number(answer):.4g}"
    said = _said(answer, shape)
    if isinstance(said, dict):
        said = next((one for one in said.values() if one != {}), "none")
    if isinstance(said, list):
        said = ", ".join(map(str, said)) or "none"
    text = str(said)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _said(answer: str, shape: RowShape) -> Any:
    """What two answers are compared by; of tags these alone, since a word's letters may differ."""
    found = comparable(answer)
    return found.get("tags", found) if shape.has_tags and isinstance(found, dict) else found


def _number(answer: str) -> float:
    """The one number that an answer is.

    Raises:
        SettingsError: it holds none, or several.

    """
    found = json.loads(answer)
    numbers = [one for one in found.values() if isinstance(one, float | int)]
    if len(numbers) != 1:
        raise SettingsError(
            f"an answer of the task type is {answer}, and robustness is told of answers with one "
            "number; leave probes.robustness out"
        )
    return float(numbers[0])
