"""What is known of the labels themselves: what predicts them too well, and which look wrong."""

from dataclasses import dataclass, field
from typing import Literal

from infra.store import Artifact
from tasks.verdicts import Estimate

Finding = Literal["", "warning", "breach"]


@dataclass(frozen=True)
class LabelPredictor:
    """A word or another property of a text that alone predicts a label.

    It was chosen on training rows; all numbers are of validation and test rows.

    Attributes:
        feature: for example ``word refund``, ``mark !`` or ``length q4``.
        absent: whether it is the feature's absence that predicts the label.
        rows: that have the feature (or lack it, where absent); with_label: those of the label.
        label_rows: all rows of the label.
        correlation: Matthews' correlation of feature and label, -1 to 1.
        information: pointwise mutual information of the two in bits.
        accuracy: share of rows told rightly by the feature alone; None where rows have several
            labels.
        finding: empty, warning, or breach: the run ends before it trains.

    """

    feature: str
    absent: bool
    label: str
    rows: int
    with_label: int
    label_rows: int
    correlation: Estimate
    information: Estimate
    accuracy: float | None = None
    finding: Finding = ""

    @property
    def sentence(self) -> str:
        """What a person should know of it."""
        what = f"{'rows without ' if self.absent else ''}{self.feature!r}"
        return (
            f"{what} predicts the label {self.label!r} alone: of {self.rows:,} held-out rows "
            f"{self.with_label:,} bear the label, of {self.label_rows:,} in all (Matthews' "
            f"correlation {self.correlation.value:.2f})"
        )


@dataclass(frozen=True)
class SpuriousCorrelation:
    """The features that predict labels best, most correlated first.

    Attributes:
        largest: estimate ``labels.spurious_correlation``, the largest correlation among those that
            were chosen on training rows, of the features that are not allowed.
        majority: share of the held-out rows that the most frequent label has; None where rows have
            several labels.
        features: that were looked at.
        reason: why nothing was looked for; empty where it was.

    """

    predictors: tuple[LabelPredictor, ...]
    largest: Estimate
    majority: float | None
    features: int
    reason: str = ""

    @property
    def warned(self) -> tuple[LabelPredictor, ...]:
        """Those that a person must look at."""
        return tuple(one for one in self.predictors if one.finding)


@dataclass(frozen=True)
class LabelSuspect:
    """A row whose label may be wrong.

    Attributes:
        probability: of the given label, by models that did not learn from the row; the lower of
            two where both the baseline and the trained model were asked.
        suggested: the label that they give in its place.
        found_by: ``baseline``, ``model`` or ``both``.
        excerpt: the start of the clean text.

    """

    row_id: str
    split: str
    given: str
    suggested: str
    probability: float
    found_by: str
    excerpt: str


@dataclass(frozen=True)
class LabelErrors:
    """Rows whose labels look wrong, by confident learning (Northcutt et al. 2021).

    Attributes:
        suspects: Parquet of all of them, the least probable labels first, in the columns that
            ``assayline readmit`` takes back; None where there are none.
        rows: that were looked at.
        found: suspects.
        by_label: suspects by the label that was given.
        worst: the first of them.
        estimates: ``labels.error_share`` and, by given label, ``labels.error_share.LABEL``.
        reason: why nothing was looked for; empty where it was.

    """

    suspects: Artifact | None
    rows: int
    found: int
    by_label: dict[str, int]
    worst: tuple[LabelSuspect, ...]
    estimates: tuple[Estimate, ...]
    reason: str = ""


@dataclass(frozen=True)
class LabelChecks:
    """The labels of the clean rows, looked at before a model learns from them.

    Attributes:
        rows: that were looked at; rows_in_all: clean rows.
        errors: by out-of-fold predictions of a bag of words.

    """

    rows: int
    rows_in_all: int
    spurious: SpuriousCorrelation
    errors: LabelErrors
    notes: tuple[str, ...] = field(default=())

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All that a gate may be put on."""
        return (self.spurious.largest, *self.errors.estimates)
