"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="token-classification",
    title="Relation extraction",
    does="It names the relation of two entities that are marked in a text, and its direction.",
    limit=(
        "It finds no entities: both must be marked, with their types; and it names one relation, "
        "or none, also where several hold."
    ),
    classes="relations",
)
