"""Whether a candidate tells out-of-distribution texts from its own."""

from dataclasses import dataclass, field

from tasks.records.identity import NOT_IDENTITY
from tasks.verdicts import Estimate


@dataclass(frozen=True)
class OutOfDistributionScore:
    """One score of how far a row lies from those that were learned.

    Attributes:
        name: of the score.
        does: what it is, in words.
        threshold: that 95% of the validation rows lie below.
        auroc: chance that an out-of-distribution text lies farther than a test row.
        flagged: share of the out-of-distribution texts beyond the threshold.
        false_positive_rate: share of the test rows beyond it: that of flagging.

    """

    name: str
    does: str
    threshold: float
    auroc: Estimate
    flagged: Estimate
    false_positive_rate: Estimate

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All of its numbers."""
        return (self.auroc, self.flagged, self.false_positive_rate)


@dataclass(frozen=True)
class OutOfDistributionText:
    """An out-of-distribution text of which the model is surest.

    Attributes:
        text: its beginning.
        label: what the model says.
        score: the probability of that.

    """

    text: str
    label: str
    score: float


@dataclass(frozen=True)
class OutOfDistribution:
    """The probe with out-of-distribution texts.

    Attributes:
        path: of the file.
        sha256: of its content.
        rows: of it that were asked.
        test_rows: that they are told from.
        training_rows: whose embeddings distances are from; 0 where there are none.
        scores: one each.
        answered: share of these rows that a model with a threshold answers; None without one.
        surest: out-of-distribution texts that it answers most surely.
        note: why some scores are missing; empty where none is.
        on: day of the measurement, in UTC.

    """

    path: str
    sha256: str
    rows: int
    test_rows: int
    training_rows: int
    scores: tuple[OutOfDistributionScore, ...]
    answered: Estimate | None
    surest: tuple[OutOfDistributionText, ...]
    note: str = ""
    on: str = field(default="", metadata=NOT_IDENTITY)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        found = (estimate for one in self.scores for estimate in one.estimates)
        return (*found, *((self.answered,) if self.answered else ()))
