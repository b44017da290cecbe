"""How likely trained language models hold given tokens of texts: what probes of them ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from infra.catalogue import Catalogue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ReadText:
    """A text as a model reads it.

    Attributes:
        ids: T token ids, special ones included.
        ends: where each token ends in the text, (T,) characters; 0 for special tokens.
        places: of the tokens that stand for text, in order.

    """

    ids: tuple[int, ...]
    ends: tuple[int, ...]
    places: tuple[int, ...]


class TextLikelihood(Protocol):
    """The likelihood that models of a task type give to tokens."""

    rule: ClassVar[str]
    """How it is made, in words."""
    sees_both_sides: ClassVar[bool]
    """Whether the likelihood of a token depends on those behind it too."""

    @classmethod
    def load(cls, folder: Path) -> "TextLikelihood":
        """The model in a folder, to be asked.

        Raises:
            BaseModelError: the folder holds no such model.

        """

    @property
    def longest(self) -> int:
        """Tokens that the model takes at most, special ones included."""

    def read(self, texts: Sequence[str]) -> list[ReadText]:
        """The tokens of whole texts, however long."""

    def log_likelihoods(
        self, texts: Sequence[ReadText], asked: Sequence[Sequence[int]]
    ) -> "NDArray[np.float64]":
        """The natural logarithm of the likelihood of tokens, summed over those asked, (N,).

        Args:
            texts: N texts, none longer than `longest`.
            asked: of each the places of the tokens, among `ReadText.places`.

        Raises:
            TrainingError: a likelihood is no number.

        """

    def likeliest_words(self, blanks: Sequence[tuple[str, str]], count: int) -> list[list[str]]:
        """What stands likeliest in blanks, likeliest first: N lists of as many as are asked for.

        Args:
            blanks: the text before and behind each; a model that reads from left to right does not
                see what is behind.
            count: words of each.

        Returns:
            An empty list for a text with more tokens than the model takes.

        """


TEXT_LIKELIHOODS: Final[Catalogue[type[TextLikelihood]]] = Catalogue(
    chosen_by="task_type",
    entries={
        "masked_lm": "tasks.task_types.language_models.text_likelihood:MaskedLikelihood",
        "causal_lm": "tasks.task_types.language_models.text_likelihood:CausalLikelihood",
        "chat": "tasks.task_types.language_models.text_likelihood:CausalLikelihood",
        "preference": "tasks.task_types.language_models.text_likelihood:CausalLikelihood",
    },
)


def why_no_likelihood(task_type: str) -> str:
    """Why models of a task type cannot be asked how likely a text is; empty where they can."""
    if task_type in TEXT_LIKELIHOODS.names:
        return ""
    can = ", ".join(TEXT_LIKELIHOODS.names)
    return f"its models give no likelihood to a text; those of {can} do"
