"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import TEXT, Column, RowShape

SHAPE: Final = RowShape(
    task_type="regression",
    columns=(
        TEXT,
        Column("target", "number"),
    ),
    leading="rmse",
    target_column="target",
)
