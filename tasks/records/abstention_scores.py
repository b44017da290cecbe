"""What a threshold of abstention came to on the test rows."""

from dataclasses import dataclass, field

from tasks.records.abstention import Abstention
from tasks.records.identity import NOT_IDENTITY
from tasks.verdicts import Estimate


@dataclass(frozen=True)
class AbstentionPart:
    """The rows of a group, or of one label.

    Attributes:
        attribute: of the group; ``label`` of a label.
        name: of the group or label.
        rows: test rows.
        coverage: share of them that is answered.
        coverage_gap: that share less the one of all other rows.
        selective_risk: share of their answers that is wrong.
        set_coverage: share whose conformal set holds the right label.
        set_coverage_gap: that share less the one of all other rows.
        set_size: mean labels of a set.

    """

    attribute: str
    name: str
    rows: int
    coverage: Estimate
    coverage_gap: Estimate
    selective_risk: Estimate
    set_coverage: Estimate
    set_coverage_gap: Estimate
    set_size: Estimate

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All of its numbers."""
        return (
            self.coverage, self.coverage_gap, self.selective_risk, self.set_coverage,
            self.set_coverage_gap, self.set_size,
        )  # fmt: skip


@dataclass(frozen=True)
class RiskPoint:
    """The share of wrong answers where the surest of this share of the rows are answered."""

    coverage: float
    risk: float


@dataclass(frozen=True)
class AbstentionScores:
    """What a threshold came to on the test rows.

    Attributes:
        fitted: the threshold.
        rows: test rows.
        overall: coverage, selective risk and error rate, coverage and size of the sets.
        parts: labels, then groups.
        curve: by rising coverage.
        on: day of the measurement, in UTC.

    """

    fitted: Abstention
    rows: int
    overall: tuple[Estimate, ...]
    parts: tuple[AbstentionPart, ...]
    curve: tuple[RiskPoint, ...]
    on: str = field(default="", metadata=NOT_IDENTITY)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        return (*self.overall, *(one for part in self.parts for one in part.estimates))
