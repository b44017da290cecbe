"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import TEXT, RowShape

SHAPE: Final = RowShape(
    task_type="masked_lm",
    columns=(TEXT,),
    leading="masked_accuracy",
    file_formats=frozenset({"text_files"}),
)
