"""With what probability a gate passes a candidate of a given true number, and the rows it takes.

A gate passes where the near end of its interval reaches the threshold, so a candidate of the true
number t passes with the probability that its estimate lies beyond the threshold by the reach of the
interval. The estimate is taken as normal around t with the standard error that its interval tells,
and reach and standard error fall as one over the square root of the rows (Cohen 1988, chapter 1;
Card et al. 2020, arXiv:2010.06595). A share of rows with its exact interval is a sum of binomial
probabilities instead, without any approximation.

An equal candidate is as good as what it is compared with: of a gain over the champion, the anchor,
the teacher, the model before compression or the champion on fresh rows the truth is 0, and of all
other numbers it is what was measured. The standard error of a gain is that between two models on
the same rows, so that of two trainings of one recipe rests on how often the two disagree.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from tasks.records.power import TARGET, WITHOUT_ERROR, GatePower
from tasks.resampling import EXACT, Floats
from tasks.verdicts import (
    ALPHA,
    CORRECTED_FAMILIES,
    Estimate,
    Gate,
    GateResult,
    ends_at,
    spent_on,
)

# More rows than this many times those there are: no number of rows is worth naming.
MAX_TIMES_THE_ROWS: Final = 1_000
# Families of which a gain is 0 where the candidate is as good as what it is compared with.
_COMPARED: Final = frozenset(
    {"champion", "anchor", "teacher", "uncompressed", "unmitigated", "fresh", "augmentation"}
)
_GRID: Final = 4_000


@dataclass(frozen=True)
class Precision:
    """How exactly a number is told by so many rows.

    Attributes:
        rows: that it rests on.
        error: standard error of the estimate.
        reach: from the estimate to the end of its interval that the gate is judged on.
        binomial: whether it is a share of rows with its exact interval; error and reach are then
            not used.
        tail: share of draws beyond the end that the gate is judged on.
        folded: whether the number is the size of a difference, so that one of 0 is never measured
            below itself, and mostly above.

    """

    rows: int
    error: float
    reach: float
    binomial: bool = False
    tail: float = ALPHA / 2
    folded: bool = False


def value_of_an_equal(gate: Gate) -> float | None:
    """The number of a candidate that is as good as what it is compared with; None of others."""
    name = gate.judged_on
    if name.split(".", 1)[0] not in _COMPARED:
        return None
    return {"gain": 0.0, "ratio": 1.0}.get(name.rpartition("_")[2])


def is_folded(gate: Gate) -> bool:
    """Whether the gate bounds a gap between groups, of which only the size is told."""
    of_groups = gate.family == "fairness" and gate.metric.endswith("_difference")
    return of_groups and gate.highest is not None


def shares_of(
    gates: Sequence[Gate],
    results: Sequence[GateResult] = (),
    look: int = 1,
    golden: int = 1,
) -> dict[Gate, float]:
    """By what number alpha is divided for each gate.

    Gates of a corrected family are taken as judged at the family's smallest share, though Holm's
    procedure judges all but the first at a larger one.

    Args:
        gates: of the policy.
        results: of these gates where they were judged, maybe at a smaller share yet.
        look: share of alpha of the look at the held-out rows; see `tasks.verdicts.judge`.
        golden: of that at the golden sets; likewise.

    """
    families = Counter(gate.family for gate in dict.fromkeys(gates))
    shares = {
        gate: float(families[gate.family] if gate.family in CORRECTED_FAMILIES else 1)
        * spent_on(gate.family, look, golden)
        for gate in gates
    }
    for gate, result in zip(gates, results, strict=bool(results)):
        judged_at = round(ALPHA / (1 - result.confidence), 6)
        shares[gate] = max(shares[gate], judged_at)
    return shares


def precision_of(gate: Gate, estimate: Estimate, share: float = 1) -> Precision:
    """How exactly the gate's number was told, from the estimate's intervals.

    Args:
        gate: judges one end.
        estimate: with a value and a ladder.
        share: that alpha is divided by.

    """
    assert estimate.value is not None  # noqa: S101 - asked only of what was measured
    whole = math.ceil(share)
    low, high = ends_at(estimate.ladder, whole) or estimate.ladder[-1]
    z = float(ndtri(1 - ALPHA / 2 / whole))
    reach = estimate.value - low if gate.lowest is not None else high - estimate.value
    # Where the interval ends at 0, below which there is nothing, the other side tells the error.
    error = (high - estimate.value if low == 0 else (high - low) / 2) / z
    return Precision(
        rows=estimate.n,
        error=error,
        reach=reach,
        binomial=estimate.method == EXACT,
        tail=ALPHA / 2 / share,
        folded=is_folded(gate),
    )


def chance(gate: Gate, truth: float, precision: Precision, rows: int | None = None) -> float:
    """Probability that the gate passes a candidate whose true number is this.

    Args:
        gate: with its threshold.
        truth: the true number; of a binomial share, from 0 to 1.
        precision: with the rows that were measured.
        rows: of another test split; those that were measured if left out.

    """
    rows = precision.rows if rows is None else rows
    if precision.binomial:
        return float(_binomial_chances(gate, truth, precision.tail, np.array([rows]))[0])
    away = _away(gate, truth)
    times = math.sqrt(precision.rows / rows) if rows else math.inf
    if precision.error == 0:
        return float(away >= precision.reach)
    if not rows:
        return 0.0
    passes = float(ndtr((away / times - precision.reach) / precision.error))
    if precision.folded:
        # The estimate is the size of a normal variable: what lies as far below 0 fails as well.
        most = (away + truth) / times - precision.reach
        passes -= float(ndtr((-most - truth / times) / precision.error))
    return max(0.0, passes)


def rows_for(gate: Gate, truth: float, precision: Precision, target: float = TARGET) -> int | None:
    """Rows with which a candidate whose true number is this passes with the target probability.

    None where no number of rows would do, or more than are worth naming.
    """
    most = MAX_TIMES_THE_ROWS * max(1, precision.rows)
    away = _away(gate, truth)
    if away <= 0:
        return None
    if precision.binomial:
        sizes = np.unique(np.geomspace(1, most, _GRID).astype(np.int64))
        short = np.flatnonzero(_binomial_chances(gate, truth, precision.tail, sizes) < target)
        after = int(short[-1]) + 1 if len(short) else 0
        return int(sizes[after]) if after < len(sizes) else None
    # Folded, a truth of 0 has two sides on which it may fail.
    sides = (1 + target) / 2 if precision.folded else target
    reach = precision.reach + float(ndtri(sides)) * precision.error
    rows = math.ceil(precision.rows * (reach / away) ** 2)
    return max(1, rows) if rows <= most else None


def least_rows_of_share(gate: Gate, share: float = 1) -> int | None:
    """Rows below which not even a share of all rows, or of none, passes; None for any number.

    The exact interval of n hits of n ends at the n-th root of the tail.
    """
    limit = gate.lowest if gate.lowest is not None else 1 - (gate.highest or 0.0)
    if limit <= 0:
        return 1
    return math.ceil(math.log(ALPHA / 2 / share) / math.log(limit)) if limit < 1 else None


def _away(gate: Gate, truth: float) -> float:
    """How far on the right side of the threshold a number lies."""
    if gate.lowest is not None:
        return truth - gate.lowest
    return (gate.highest or 0.0) - truth


def _binomial_chances(gate: Gate, truth: float, tail: float, rows: np.ndarray) -> Floats:
    """Exact probabilities that a share of rows passes, for each number of rows.

    A gate on the upper end of a share is one on the lower end of the share of all other rows.
    """
    from scipy.stats import binom

    limit, share = (
        (gate.lowest, truth) if gate.lowest is not None else (1 - (gate.highest or 0), 1 - truth)
    )
    if limit <= 0:
        return np.ones(len(rows))
    if limit > 1:
        return np.zeros(len(rows))
    # The lower end of k hits reaches the limit where so many are as rare as the tail at the limit.
    enough = binom.isf(tail, rows, limit) + 1
    return np.asarray(binom.sf(enough - 1, rows, min(1.0, max(0.0, share))), dtype=np.float64)


def power_of_gate(
    gate: Gate, estimate: Estimate | None, step: float, share: float = 1
) -> GatePower:
    """With what probability an equal and a slightly better candidate passes, as measured.

    Args:
        gate: with its threshold.
        estimate: what was measured; None where nothing was.
        step: how much better the slightly better candidate is, in the metric's units; of a
            threshold above 1 a share of it.
        share: that alpha is divided by.

    """
    if estimate is None:
        return GatePower(
            gate.judged_on, gate.rule, 0, reason="nothing was measured under this name"
        )
    if (
        estimate.value is None
        or not math.isfinite(estimate.value)
        or ends_at(estimate.ladder, math.ceil(share)) is None
    ):
        reason = estimate.reason or "there is no interval for it"
        return GatePower(gate.judged_on, gate.rule, estimate.n, reason=reason)
    precision = precision_of(gate, estimate, share)
    of_an_equal = value_of_an_equal(gate)
    equal = estimate.value if of_an_equal is None else of_an_equal
    if precision.binomial and estimate.value in {0.0, 1.0}:
        # None of n does not say that the true share is 0: half a row is taken, as by Jeffreys.
        equal = abs(estimate.value - 0.5 / (estimate.n + 1))
    return told(gate, precision, equal, step, "measured")


def told(gate: Gate, precision: Precision, equal: float, step: float, basis: str) -> GatePower:
    """The power of a gate whose number is told so exactly.

    Args:
        gate: with its threshold.
        precision: of its number.
        equal: true number of an equal candidate.
        step: how much better a slightly better one is; see `power_of_gate`.
        basis: what the precision was taken from.

    """
    better = better_than(gate, equal, step)
    without_error = precision.error == 0 and not precision.binomial
    # What another seed moves does not fall with the rows.
    by_rows = not without_error and gate.family != "recipe"
    return GatePower(
        metric=gate.judged_on,
        rule=gate.rule,
        n=precision.rows,
        equal_at=equal,
        equal=chance(gate, equal, precision),
        better_at=better,
        better=chance(gate, better, precision),
        rows_for_equal=rows_for(gate, equal, precision) if by_rows else None,
        rows_for_better=rows_for(gate, better, precision) if by_rows else None,
        basis=WITHOUT_ERROR if without_error else basis,
    )


def better_than(gate: Gate, value: float, step: float) -> float:
    """A number that is better by a step, within 0 and 1 where both number and threshold are."""
    threshold = gate.lowest if gate.lowest is not None else gate.highest or 0.0
    step *= max(1.0, abs(threshold))
    if gate.lowest is not None:
        at_most_one = value <= 1 and threshold <= 1 and not gate.is_relative
        return min(value + step, 1.0) if at_most_one else value + step
    return max(value - step, 0.0) if value >= 0 else value - step


def power_of_gates(
    gates: Sequence[Gate],
    estimates: Iterable[Estimate],
    step: float,
    results: Sequence[GateResult] = (),
    look: int = 1,
    golden: int = 1,
) -> tuple[GatePower, ...]:
    """The power of each gate, in their order, from what was measured.

    Args:
        gates: of the policy, those that are asked.
        estimates: what was measured.
        step: see `power_of_gate`.
        results: how these gates were judged, which says at which level; none where they were not.
        look: see `shares_of`.
        golden: likewise.

    """
    by_name = {estimate.name: estimate for estimate in estimates}
    shares = shares_of(gates, results, look, golden)
    return tuple(
        power_of_gate(gate, by_name.get(gate.judged_on), step, shares[gate]) for gate in gates
    )
