"""How models do on a domain whose rows they did not learn, beside the candidate."""

from dataclasses import dataclass, field

from tasks.records.identity import NOT_IDENTITY
from tasks.verdicts import Estimate


@dataclass(frozen=True)
class Domain:
    """Rows that are left out together.

    Attributes:
        name: the value of the column, or the span of its dates.
        train_rows: clean rows of it in the training split.
        validation_rows: likewise, and `test_rows`.
        reason: why no model is trained without it; empty where one is.

    """

    name: str
    train_rows: int
    validation_rows: int
    test_rows: int
    reason: str = ""


@dataclass(frozen=True)
class Domains:
    """What is left out in turn.

    Attributes:
        column: that says the domain of a row.
        span: ``year`` or ``month`` of its dates; None where its values count as they are.
        asked: in the order in which they are left out.
        others: domains of the column that are not asked about.
        train_rows: of all domains, and of none.

    """

    column: str
    span: str | None
    asked: tuple[Domain, ...]
    others: int
    train_rows: int

    @property
    def trained(self) -> tuple[Domain, ...]:
        """Those that a model is trained without."""
        return tuple(one for one in self.asked if not one.reason)


@dataclass(frozen=True)
class LeftOut:
    """A model that did not learn a domain, on its test rows.

    Attributes:
        domain: that was left out.
        unseen: leading metrics of that model on the test rows of the domain.
        drops: how much worse it is there than the candidate, which learned the domain.
        elsewhere: how much worse it is on all other test rows: what fewer rows cost by themselves.

    """

    domain: Domain
    unseen: tuple[Estimate, ...]
    drops: tuple[Estimate, ...]
    elsewhere: tuple[Estimate, ...]

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers, drops first."""
        return (*self.drops, *self.unseen, *self.elsewhere)


@dataclass(frozen=True)
class LeaveOneDomainOut:
    """The probe that leaves one domain out.

    Attributes:
        domains: that were asked about.
        data_sha256: digest of the clean rows.
        rows: test rows that each model was asked.
        left_out: of each domain, in the same order.
        on: day of the measurement, in UTC.

    """

    domains: Domains
    data_sha256: str
    rows: int
    left_out: tuple[LeftOut, ...]
    on: str = field(default="", metadata=NOT_IDENTITY)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All numbers."""
        return tuple(estimate for one in self.left_out for estimate in one.estimates)
