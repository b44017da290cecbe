"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="text-generation",
    title="Language modelling",
    does="It tells how probable a text is, and writes on from its start.",
    limit="What it writes is likely as text, which does not make it true.",
)
