"""What is known of why a candidate answers as it does."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from tasks.records.identity import NOT_IDENTITY
from tasks.verdicts import Estimate

Method = Literal["integrated_gradients", "gradient_x_input", "occlusion", "attention_rollout"]
METHODS: tuple[Method, ...] = get_args(Method)
# Methods that are worked out by Captum, and all that ask for more than a model's outputs.
BY_CAPTUM: frozenset[Method] = frozenset({"integrated_gradients", "gradient_x_input"})
OF_TORCH: frozenset[Method] = BY_CAPTUM | {"attention_rollout"}


@dataclass(frozen=True)
class ExplainedMethod:
    """One method of attribution, and how far it is to be believed of this model.

    Attributes:
        method: its name, or ``random``: words in an order by chance, which all are held against.
        estimates: explanation.METHOD.MEASURE; of ``random`` without gains.
        reading: what the intervals say, in a few words.

    """

    method: str
    estimates: tuple[Estimate, ...]
    reading: str


@dataclass(frozen=True)
class PushingWord:
    """A word that speaks for a label.

    Attributes:
        word: in lower case.
        mean: attribution by row that it stands in, summed over its places there.
        rows: explained rows with this answer that it stands in.

    """

    word: str
    mean: float
    rows: int


@dataclass(frozen=True)
class LabelWords:
    """The words that push a label most, over the rows where it is the model's answer.

    Attributes:
        label: of a regression ``higher`` or ``lower`` than the mean of the training targets.
        group: ``ATTRIBUTE: GROUP`` of rows of one group alone; empty for all rows.
        rows: explained rows with this answer.
        words: by their summed attributions, the largest first.

    """

    label: str
    group: str
    rows: int
    words: tuple[PushingWord, ...]


@dataclass(frozen=True)
class Explanation:
    """Attributions of a sample of test rows, and what was measured of them.

    Attributes:
        rows: test rows that were explained.
        methods: ``random`` last.
        words_by: the method of the words, of the identity words and of their estimates.
        words: of each label, first over all rows, then by group.
        identity: explanation.identity_words.ATTRIBUTE.
        rationales: explained rows that have a rationale; None where no file of such was named.
        inexact: rows whose integrated gradients miss the sum that they must have by more than the
            tolerance, at the most points; None where the method was not asked.
        unit: of an attribution, in words.
        on: day of the measurement, in UTC.

    """

    rows: int
    methods: tuple[ExplainedMethod, ...]
    words_by: str
    words: tuple[LabelWords, ...]
    identity: tuple[Estimate, ...]
    rationales: int | None
    inexact: int | None
    unit: str
    on: str = field(default="", metadata=NOT_IDENTITY)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers, by name."""
        return (*(one for method in self.methods for one in method.estimates), *self.identity)
