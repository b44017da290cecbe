"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="text-classification",
    title="Regression on texts",
    does="It gives a number for a text.",
    limit="It gives a number for any text, and does not say how sure it is.",
)
