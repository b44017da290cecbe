"""Whether a candidate tells rows of another kind from its own."""

from dataclasses import dataclass, field

from tasks.records.identity import NOT_IDENTITY
from tasks.verdicts import Estimate


@dataclass(frozen=True)
class FarScore:
    """One score of how far a row lies from those that were learned.

    Attributes:
        name: of the score.
        does: what it is, in words.
        threshold: that 95% of the validation rows lie below.
        auroc: chance that a row of another kind lies farther than a test row.
        flagged: share of the rows of another kind beyond the threshold.
        false_alarms: share of the test rows beyond it.

    """

    name: str
    does: str
    threshold: float
    auroc: Estimate
    flagged: Estimate
    false_alarms: Estimate

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All of its numbers."""
        return (self.auroc, self.flagged, self.false_alarms)


@dataclass(frozen=True)
class FarRow:
    """A row of another kind of which the model is surest.

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
    """The probe with rows of another kind.

    Attributes:
        path: of the file.
        sha256: of its content.
        rows: of it that were asked.
        test_rows: that they are told from.
        training_rows: whose embeddings distances are from; 0 where there are none.
        scores: one each.
        answered: share of these rows that a model with a threshold answers; None without one.
        surest: rows of another kind that it answers most surely.
        note: why some scores are missing; empty where none is.
        on: day of the measurement, in UTC.

    """

    path: str
    sha256: str
    rows: int
    test_rows: int
    training_rows: int
    scores: tuple[FarScore, ...]
    answered: Estimate | None
    surest: tuple[FarRow, ...]
    note: str = ""
    on: str = field(default="", metadata=NOT_IDENTITY)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        found = (estimate for one in self.scores for estimate in one.estimates)
        return (*found, *((self.answered,) if self.answered else ()))
