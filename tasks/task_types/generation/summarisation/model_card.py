"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="summarization",
    title="Summarisation",
    does="It writes a short form of a text.",
    limit="What it writes may leave out what matters, and say what the text does not.",
)
