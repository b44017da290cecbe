"""Which rows a task type with costly answers answers in full, and answers to all of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

_Asked = TypeVar("_Asked")
# The staging check compares these with what the served model says.
ANSWERED_ROWS = 64


def first_rows(row_ids: Sequence[str], count: int = ANSWERED_ROWS) -> list[int]:
    """Places of the first rows by row_id: a digest, so that they are a random sample."""
    return sorted(sorted(range(len(row_ids)), key=lambda place: row_ids[place])[:count])


def answer_first(row_ids: Sequence[str], answer: Callable[[int], str]) -> "pa.Array":
    """Arrow strings (N,), the answers of the first rows by row_id; null for all others."""
    import pyarrow as pa

    answers: list[str | None] = [None] * len(row_ids)
    for place in first_rows(row_ids):
        answers[place] = answer(place)
    return pa.array(answers, pa.string())


def answer_each(asked: Iterable[_Asked], answer: Callable[[_Asked], str]) -> "pa.Array":
    """Arrow strings (N,), the answer to each of N things that are asked."""
    import pyarrow as pa

    return pa.array([answer(one) for one in asked], pa.string())
