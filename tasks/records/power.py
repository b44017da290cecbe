"""With what probability the gates of a line pass."""

from dataclasses import dataclass
from typing import Final

from tasks.records.gate_rows import GateRows

# The probability that rows are asked for; Cohen's convention.
TARGET: Final = 0.8
# Basis of a number that has no sampling error: a size, or an agreement over fixed rows.
WITHOUT_ERROR: Final = "exact"


@dataclass(frozen=True)
class GatePower:
    """With what probability a gate passes.

    Attributes:
        metric: the gate's.
        rule: the threshold in words.
        n: held-out rows that the number rests on.
        equal_at: true number of an equal candidate.
        equal: probability that it passes; None where it cannot be told.
        better_at: true number of a slightly better candidate.
        better: probability that it passes.
        rows_for_equal: rows with which an equal candidate passes in TARGET of test splits; None
            where no number of rows would do, or more than are worth naming.
        rows_for_better: likewise of the slightly better one.
        basis: what the standard error was taken from.
        reason: why it cannot be told; empty where it can.

    """

    metric: str
    rule: str
    n: int
    equal_at: float | None = None
    equal: float | None = None
    better_at: float | None = None
    better: float | None = None
    rows_for_equal: int | None = None
    rows_for_better: int | None = None
    basis: str = ""
    reason: str = ""


@dataclass(frozen=True)
class GroupSize:
    """How many test rows a group has.

    Attributes:
        exclusive: rows that belong to no other group of the attribute.
        clusters: that the rows lie in; None where rows are drawn one by one.
        rows_by_label: of the rows; empty where a row has not one label.

    """

    attribute: str
    group: str
    rows: int
    exclusive: int
    clusters: int | None
    rows_by_label: dict[str, int]


@dataclass(frozen=True)
class HeldOut:
    """How many test rows a line has to decide with.

    Attributes:
        rows: of the test split.
        clusters: that they lie in; None where rows are drawn one by one.
        rows_by_label: empty where a row has not one label.
        groups: of the assessed attributes, those that are compared.
        gate_rows: what gates on groups and on swapped words will rest on.

    """

    rows: int
    clusters: int | None
    rows_by_label: dict[str, int]
    groups: tuple[GroupSize, ...]
    gate_rows: tuple[GateRows, ...] = ()


@dataclass(frozen=True)
class PowerForecast:
    """What the gates of a line can decide, before a candidate is trained.

    Attributes:
        power: of each gate that rests on held-out rows, in the order of the policy.
        warnings: gates that no candidate passes with these rows, each with the rows that it takes.
        assumptions: what was taken for granted where nothing was measured yet.
        notes: how fairness will be gated, or why it will not.

    """

    power: tuple[GatePower, ...]
    warnings: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
