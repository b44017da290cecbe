"""Hidden words as a teacher sees them."""

from typing import ClassVar

from tasks.task_types.language_models.soft_labels import SoftTokens


class SoftMaskedTokens(SoftTokens):
    """The likeliest tokens at each hidden one, of every way in which a text's words are hidden.

    Teacher and student read the same masks, those that stand in for tokens included.
    """

    auto_class: ClassVar[str] = "AutoModelForMaskedLM"
    drawn: ClassVar[bool] = True
