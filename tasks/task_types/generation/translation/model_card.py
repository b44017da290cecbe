"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="translation",
    title="Translation",
    does="It writes a text in another language.",
    limit="What it writes may read well and yet say something else than the text.",
)
