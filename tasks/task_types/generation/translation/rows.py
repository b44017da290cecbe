"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import PAIR, RowShape

SHAPE: Final = RowShape(
    task_type="translation",
    columns=PAIR,
    # chrF runs from 0 to 100.
    leading="chrf",
    margin=1.0,
    pair=("source", "target"),
)
