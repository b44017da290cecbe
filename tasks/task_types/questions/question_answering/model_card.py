"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="question-answering",
    title="Extractive question answering",
    does="It finds the answer to a question in a text that comes with it.",
    limit="It can only copy a passage of that text, which need not be right.",
)
