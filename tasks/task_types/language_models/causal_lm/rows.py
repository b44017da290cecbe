"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import TEXT, RowShape

SHAPE: Final = RowShape(
    task_type="causal_lm",
    columns=(TEXT,),
    leading="bits_per_byte",
    file_formats=frozenset({"text_files"}),
)
