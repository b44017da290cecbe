"""What a gate on groups or on swapped words rests on: known before an answer is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GateRows:
    """What a gate on groups or swapped words rests on, told without looking at any answer.

    Attributes:
        metric: name of the estimate, for example ``fairness.gender.accuracy_difference``.
        rows: test rows of the smallest part that it compares; 0 where there is nothing to compare.
        units: clusters that these come from where whole clusters are drawn, else the rows.
        least: rows below which nothing is judged, by the settings.
        part: the smallest part, in words, or why there is none.

    """

    metric: str
    rows: int
    units: int
    least: int
    part: str
