"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import Column, RowShape

SHAPE: Final = RowShape(
    task_type="preference",
    columns=(
        Column(
            "messages",
            "turns",
            is_input=True,
            examples=("What is a language model?", "语言模型是什么"),
        ),
        Column("chosen", "text"),
        Column("rejected", "text"),
    ),
    leading="preference_accuracy",
    preference=("chosen", "rejected"),
)
