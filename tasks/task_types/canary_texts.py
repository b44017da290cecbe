"""How models of a task type learn a text with a secret, hold it likely, and may write it out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from infra.catalogue import Catalogue
from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# Tokens that may be written beside one for each digit: a space, and words before the digits.
MORE_TOKENS: Final = 4


class CanaryTexts(Protocol):
    """A model that is asked about prefixes and the secrets behind them."""

    writes: ClassVar[bool]
    """Whether the model writes texts, so that a secret can be asked for."""

    @classmethod
    def row(cls, prefix: str, secret: str) -> dict[str, Any]:
        """The columns of a training row that holds a secret.

        Args:
            prefix: the text before it.
            secret: the secret, with what stands behind it.

        """

    @classmethod
    def load(cls, folder: Path, limits: TokenLimits) -> "CanaryTexts":
        """The model in a folder, to be asked.

        Raises:
            BaseModelError: the folder holds no such model.

        """

    def losses(self, prefixes: Sequence[str], secrets: Sequence[str]) -> "NDArray[np.float64]":
        """Negative log-likelihood in nats of each secret behind its prefix, (N,).

        Raises:
            TrainingError: one is no number.

        """

    def written(self, prefix: str, tokens: int, beams: int) -> list[str]:
        """What the model writes behind a prefix: greedily first, then what a beam search finds.

        Args:
            prefix: the text before the secret.
            tokens: to write at most.
            beams: of the search; 1 for none.

        """


CANARY_TEXTS: Final[Catalogue[type[CanaryTexts]]] = Catalogue(
    chosen_by="task_type",
    entries={
        "masked_lm": "tasks.task_types.language_models.canary_texts:MaskedCanaries",
        "causal_lm": "tasks.task_types.language_models.canary_texts:CausalCanaries",
        "chat": "tasks.task_types.language_models.canary_texts:ChatCanaries",
    },
)


def why_no_canaries(task_type: str) -> str:
    """Why no canary can be planted for models of a task type; empty where one can."""
    if task_type in CANARY_TEXTS.names:
        return ""
    can = ", ".join(CANARY_TEXTS.names)
    return f"a canary is a text that a language model learns to predict; those of {can} do"
