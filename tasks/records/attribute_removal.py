"""What was taken out of the representation that a classifier's last layer reads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NamedRight:
    """How many rows' groups a linear probe names right.

    Plain numbers, since a training reaches this record and no estimate.

    Attributes:
        share: of the rows; None where there are none.
        low: end of its interval at 95%.
        high: the other one.
        rows: that it was asked about.

    """

    share: float | None
    low: float | None
    high: float | None
    rows: int


@dataclass(frozen=True)
class AttributeRemoval:
    """Directions that told an attribute, taken out by iterative nullspace projection.

    Attributes:
        attribute: of which groups.
        groups: that were told apart.
        rows: training rows that belong to one; the directions were fitted on these.
        head_rows: training rows that the last layer was fitted on again.
        rounds: classifiers that were trained one after the other.
        directions: that were taken out.
        size: dimensions of the representation.
        largest_share: of the validation rows of a group those of the largest one, which a probe
            that always names it gets right.
        before: share of the validation rows whose group a linear probe names right.
        after: the same, of what the last layer reads now.

    """

    attribute: str
    groups: tuple[str, ...]
    rows: int
    head_rows: int
    rounds: int
    directions: int
    size: int
    largest_share: float
    before: NamedRight
    after: NamedRight
