"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import Column, RowShape

SHAPE: Final = RowShape(
    task_type="chat",
    columns=(
        Column(
            "messages",
            "turns",
            is_input=True,
            examples=("What is a language model?", "语言模型是什么"),
        ),
    ),
    leading="bits_per_byte",
)
