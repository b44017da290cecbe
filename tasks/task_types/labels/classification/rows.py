"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import TEXT, Column, RowShape

SHAPE: Final = RowShape(
    task_type="classification",
    columns=(
        TEXT,
        Column("label", "label"),
    ),
    leading="macro_f1",
    label_column="label",
    file_formats=frozenset({"text_files"}),
)
