"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import PAIR, RowShape

SHAPE: Final = RowShape(
    task_type="sentence_embedding",
    columns=PAIR,
    # Two texts of like meaning.
    leading="mrr",
    gives_vectors=True,
    pair=("source", "target"),
)
