"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="text-classification",
    title="Multi-label text classification",
    does="It gives a text every label that is probable enough, which may be none.",
    limit="It knows no labels but its own, and whether one is given turns on a fixed probability.",
    classes="labels",
)
