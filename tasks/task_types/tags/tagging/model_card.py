"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="token-classification",
    title="Tagging of words",
    does="It gives each word of a text a tag, which mark spans such as names.",
    limit="It marks no spans but of the types that its tags name.",
    classes="tags",
)
