"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="sentence-similarity",
    title="Sentence embeddings",
    does="It turns a text into a vector, near to those of texts of like meaning.",
    limit="A vector compares with vectors of the same version only.",
)
