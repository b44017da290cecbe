"""Task types whose answers lie at places of a text, and are explained there."""

from typing import Final

TAGGING: Final = "tagging"
QUESTIONS: Final = "question_answering"
PLACED: Final = (TAGGING, QUESTIONS)
