"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import TEXT, Column, RowShape

SHAPE: Final = RowShape(
    task_type="multi_label",
    columns=(
        TEXT,
        Column("labels", "labels"),
    ),
    leading="macro_f1",
    label_column="labels",
    min_labels=1,
)
