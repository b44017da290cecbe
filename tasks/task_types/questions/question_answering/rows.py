"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import Column, Passage, RowShape

SHAPE: Final = RowShape(
    task_type="question_answering",
    columns=(
        Column("question", "text", is_input=True, examples=("Where is the book?", "书在哪里")),
        Column(
            "context",
            "text",
            is_input=True,
            examples=("The book lies on the table.", "书在桌子上。"),
        ),
        # Both missing: the question has no answer in this context (SQuAD 2.0).
        Column("answer", "text", may_be_missing=True),
        Column("answer_start", "integer", may_be_missing=True),
    ),
    leading="f1",
    passage=Passage(context="context", answer="answer", start="answer_start"),
    file_formats=frozenset({"squad"}),
)
