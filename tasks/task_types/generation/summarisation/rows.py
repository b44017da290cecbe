"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import PAIR, RowShape

SHAPE: Final = RowShape(
    task_type="summarisation",
    columns=PAIR,
    leading="rouge_l",
    pair=("source", "target"),
)
