"""What such a model is for, in the words of a model card."""

from typing import Final

from tasks.task_types.model_card_texts import ModelCardTexts

TEXTS: Final = ModelCardTexts(
    hub_task="fill-mask",
    title="Masked language modelling and next-sentence prediction",
    does=(
        "It guesses hidden words, tells whether one sentence follows another, and is a base for "
        "other models."
    ),
    limit="A guess is a likely word, which does not make it true.",
)
