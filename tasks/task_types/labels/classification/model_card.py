"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="text-classification",
    title="Text classification",
    does="It puts a text into one class.",
    limit=(
        "It always answers with one of its classes, also for a text that belongs to none of them."
    ),
    classes="classes",
    is_pipeline=True,
)
