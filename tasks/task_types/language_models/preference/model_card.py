"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="text-generation",
    title="Conversation",
    does="It writes the next turn of a conversation, as those who compared answers preferred them.",
    limit="It may say what is false, or what does harm, as surely as anything else; it has learned "
    "what was preferred, not what is right.",
)
