"""What a candidate remembers of its training rows, as far as attacks on it can tell."""

from dataclasses import dataclass, field
from typing import Final

from infra.store import Artifact
from tasks.records.identity import NOT_IDENTITY
from tasks.verdicts import Estimate

# The attacks on membership, as their estimates are named.
LOSS: Final = "loss"
CALIBRATED: Final = "calibrated"
LIRA: Final = "lira"


@dataclass(frozen=True)
class Canaries:
    """Texts with random digits that are learned beside the training rows, to be looked for after.

    Attributes:
        artifact: Parquet with row_id, split (all train), the columns of the task type, and canary
            (its number), prefix, secret (the digits) and rest, the text behind them; each canary as
            often as it is repeated.
        count: different canaries.
        repeats: rows of each.
        format: the text, with places for a number and for the digits.
        digits: of each secret.
        seed: of all that is drawn.

    """

    artifact: Artifact
    count: int
    repeats: int
    format: str
    digits: int
    seed: int

    @property
    def rows(self) -> int:
        """Training rows that they are."""
        return self.count * self.repeats


@dataclass(frozen=True)
class MembershipAttack:
    """How well one number of a row tells training rows from held-out ones.

    Attributes:
        name: ``loss``, ``calibrated`` or ``lira``.
        auc: chance that a training row scores above a held-out one; 0.5 is a guess.
        tpr: share of the training rows that it names where it names 1% of the others.

    """

    name: str
    auc: Estimate
    tpr: Estimate


@dataclass(frozen=True)
class Membership:
    """Attacks that tell training rows from rows that were held out.

    Attributes:
        members: training rows that were asked about, and `others` test rows.
        left_out: rows that stand on the other side too, but for case, spaces and punctuation.
        by_cluster: whether of each author or document one row at most was asked about.
        attacks: that were made.
        control: the first attack with validation rows in place of training rows, of which none
            was learned: where its interval lies beside 0.5, the attacks by losses tell nothing.
        why_uncalibrated: why there is no attack against a reference; empty where there is one.
        shadows: models that were trained on halves of the training rows.

    """

    members: int
    others: int
    left_out: int
    by_cluster: bool
    attacks: tuple[MembershipAttack, ...]
    control: Estimate
    why_uncalibrated: str = ""
    shadows: int = 0

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        made = (estimate for one in self.attacks for estimate in (one.auc, one.tpr))
        return (*made, self.control)


@dataclass(frozen=True)
class CanaryFound:
    """What became of one canary.

    Attributes:
        prefix: the text before the digits.
        likelier: of the alternatives, those that the model holds as likely as the canary or more.
        exposure_bits: see `CanaryFindings.exposure`.
        written: the way in which the model wrote the digits out, ``greedy`` or ``beam``; empty
            where it did not.

    """

    prefix: str
    likelier: int
    exposure_bits: float
    written: str = ""


@dataclass(frozen=True)
class CanaryFindings:
    """What became of all canaries.

    Attributes:
        planted: the canaries.
        alternatives: other digits that each was ranked among.
        beams: of the search that tried to write them out; 0 of models that write nothing.
        exposure: mean over the canaries, in bits.
        extracted: share of the canaries that the model wrote out; None of models that write none.
        found: each canary.

    """

    planted: Canaries
    alternatives: int
    beams: int
    exposure: Estimate
    extracted: Estimate | None
    found: tuple[CanaryFound, ...] = ()

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        return (self.exposure, *([self.extracted] if self.extracted else []))


@dataclass(frozen=True)
class Copied:
    """A run of words that the model wrote and that stands in a training row.

    Attributes:
        row_id: of the training row whose beginning it was asked to go on from.
        words: the run.

    """

    row_id: str
    words: str


@dataclass(frozen=True)
class Overlap:
    """How much of what the model writes stands word for word in training rows.

    Attributes:
        words: of a run.
        asked: training rows that it was asked to go on from.
        copied: mean share of the runs of a text that stand in a training row.
        control: the same of texts that go on from test rows.
        examples: some runs.

    """

    words: int
    asked: int
    copied: Estimate
    control: Estimate
    examples: tuple[Copied, ...] = ()

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        return (self.copied, self.control)


@dataclass(frozen=True)
class Memory:
    """The probes of a candidate for memory of its training rows.

    Attributes:
        data_sha256: digest of the clean rows that all are of.
        seed: of all that was drawn.
        membership: whether a row was learned.
        canaries: what became of planted ones; None where none were planted.
        overlap: what it writes word for word; None where that was not asked.
        on: day of the probes, in UTC.

    """

    data_sha256: str
    seed: int
    membership: Membership
    canaries: CanaryFindings | None = None
    overlap: Overlap | None = None
    on: str = field(default="", metadata=NOT_IDENTITY)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        parts = (self.membership, self.canaries, self.overlap)
        return tuple(estimate for one in parts if one for estimate in one.estimates)
