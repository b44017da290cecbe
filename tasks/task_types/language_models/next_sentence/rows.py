"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import TEXT, RowShape

SHAPE: Final = RowShape(
    task_type="next_sentence",
    columns=(TEXT,),
    # A text is a document of several sentences.
    leading="next_sentence_accuracy",
    file_formats=frozenset({"text_files"}),
)
