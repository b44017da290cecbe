"""What the gates of a policy can decide with the test rows of a line, before anything is trained.

Where the line has a version whose numbers are known, its intervals are those that a candidate's
will have, scaled by the root of the rows. Elsewhere the numbers are planned, and every assumption
is said: see `PlannedValues`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from scipy.special import ndtri

from tasks.power import (
    Precision,
    is_folded,
    power_of_gate,
    precision_of,
    shares_of,
    told,
    value_of_an_equal,
)
from tasks.records.measured_version import MeasuredVersion
from tasks.records.power import GatePower, HeldOut, PowerForecast
from tasks.registry.impossible_gates import why_never
from tasks.registry.settings import PolicySettings
from tasks.verdicts import ALPHA, Estimate, Gate

# A model of which nothing is known.
_UNKNOWN_ERROR: Final = 0.1
# A model that was right on all rows is not taken to be right on all others.
_LEAST_ERROR: Final = 0.005
# Metrics that a row raises by at most its share of the rows, as accuracy does.
_OF_SHARES: Final = ("accuracy", "f1", "exact_match", "precision", "recall", "jaccard")
_BY_LABEL: Final = ("macro", "balanced")
# Numbers that are judged by the exact interval of a share.
_EXACT: Final = ("accuracy", "exact_match", "pass_rate", "flip_rate")
_LEVELS: Final = frozenset(
    {"quality", "baseline", "champion", "anchor", "teacher", "uncompressed", "unmitigated"}
)


@dataclass(frozen=True)
class PlannedValues:
    """What is taken for granted of a number that was not measured yet.

    Attributes:
        margin: by how much an equal candidate is truly better than the threshold, where it is not
            compared with a version of the line.
        margins: the same by metric, where it differs.
        error: share of rows that a model of the line gets wrong.
        error_from: where that was taken from, in words.

    """

    margin: float
    margins: Mapping[str, float]
    error: float
    error_from: str

    def margin_of(self, gate: Gate, step: float) -> float:
        """How far beyond the threshold an equal candidate is planned to lie; never 0."""
        leaf = gate.judged_on.rpartition(".")[2].removesuffix("_gain")
        return max(self.margins.get(leaf, self.margin), step)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The assumptions in words."""
        apart = 2 * self.error * (1 - self.error)
        of_gains = (
            f"a model of the line gets {self.error:.1%} of the rows wrong ({self.error_from}); "
            "half of these are wrong for another training of the same recipe too, so that the two "
            f"differ in whether {self.error:.1%} of the rows are right; from a baseline it differs "
            f"in {apart:.1%}, as where errors are independent"
        )
        of_levels = (
            f"else an equal candidate is truly better than the threshold by {self.margin:g} "
            "(evaluation.margin), a row varies as one that is right or wrong, and rows of a "
            "cluster count as one"
        )
        return of_gains, of_levels


def foresee_power(
    policy: PolicySettings,
    held_out: HeldOut,
    measured: MeasuredVersion | None,
    *,
    margin: float,
    margins: Mapping[str, float],
    min_group_rows: int,
    look: int = 1,
    golden: int = 1,
) -> PowerForecast:
    """The power of each gate that rests on held-out rows, and the gates that nothing passes.

    Args:
        policy: the gates.
        held_out: the test rows that there are now.
        measured: a version of the line; None where there is none.
        margin: see `PlannedValues`.
        margins: likewise.
        min_group_rows: rows below which a group is not judged.
        look: share of alpha of the next look at these rows.
        golden: of the next look at the golden sets.

    """
    gates = [gate for gate in policy.gates if gate.family != "staging"]
    shares = shares_of(gates, look=look, golden=golden)
    known = {one.name: one for one in measured.estimates} if measured else {}
    planned = PlannedValues(margin, margins, *_error_of(policy, known, margin))
    power, warnings = [], []
    for gate in gates:
        never = why_never(gate, held_out, shares[gate], min_group_rows)
        if never:
            warnings.append(f"{gate.judged_on} ({gate.rule}) can pass no candidate: {never}")
            power.append(GatePower(gate.judged_on, gate.rule, held_out.rows, reason=never))
            continue
        found = known.get(gate.judged_on)
        if measured and found and found.value is not None:
            power.append(_rescaled(gate, found, policy, shares[gate], measured, held_out))
        else:
            power.append(_planned(gate, held_out, planned, policy.slightly_better, shares[gate]))
    return PowerForecast(tuple(power), tuple(warnings), tuple(_said(power, planned, measured)))


def _said(
    power: Sequence[GatePower], planned: PlannedValues, measured: MeasuredVersion | None
) -> Iterator[str]:
    """What the powers rest on, in words."""
    bases = {one.basis for one in power}
    if measured and "measured" in bases:
        rows = f"{measured.rows:,} test rows"
        yield f"the intervals of version {measured.version}, on {rows}, scaled to those there are"
    if "planned" in bases:
        yield from planned.sentences


def _error_of(
    policy: PolicySettings, known: Mapping[str, Estimate], margin: float
) -> tuple[float, str]:
    """Share of rows that a model of the line gets wrong, and where that was taken from."""
    accuracy = known.get("quality.accuracy")
    if accuracy and accuracy.value is not None:
        return max(_LEAST_ERROR, 1 - accuracy.value), "as the version in production"
    for gate in policy.gates:
        if gate.family == "quality" and gate.at_least is not None and 0 < gate.at_least < 1:
            better = min(1 - _LEAST_ERROR, gate.at_least + margin)
            return 1 - better, f"{margin:g} better than the gate on {gate.judged_on} asks"
    return _UNKNOWN_ERROR, "nothing says how many"


def _rescaled(
    gate: Gate,
    estimate: Estimate,
    policy: PolicySettings,
    share: float,
    measured: MeasuredVersion,
    held_out: HeldOut,
) -> GatePower:
    """The power of a gate by the interval of another version on another number of rows."""
    step, now = policy.slightly_better, power_of_gate(gate, estimate, policy.slightly_better, share)
    if now.equal_at is None or now.basis != "measured" or measured.rows == held_out.rows:
        return now
    then = precision_of(gate, estimate, share)
    rows = max(1, round(then.rows * held_out.rows / max(1, measured.rows)))
    times = math.sqrt(then.rows / rows)
    scaled = replace(then, rows=rows, error=then.error * times, reach=then.reach * times)
    return told(gate, scaled, now.equal_at, step, "measured")


def _planned(
    gate: Gate, held_out: HeldOut, planned: PlannedValues, step: float, share: float
) -> GatePower:
    """The power of a gate of which nothing was measured yet."""
    rows = held_out.clusters or held_out.rows
    threshold = gate.lowest if gate.lowest is not None else gate.highest or 0.0
    away = planned.margin_of(gate, step)
    equal = threshold + away if gate.lowest is not None else threshold - away
    unknown = _why_unplanned(gate, threshold)
    if unknown:
        return GatePower(gate.judged_on, gate.rule, held_out.rows, reason=unknown)
    if gate.judged_on.endswith("_gain"):
        of_an_equal, error = value_of_an_equal(gate), planned.error
        equal = equal if of_an_equal is None else of_an_equal
        apart = 2 * error * (1 - error) if of_an_equal is None else error
        spread = math.sqrt(apart * _by_label(gate, held_out) / rows)
    elif gate.family == "fairness":
        rows, spread = _of_groups(gate, held_out, planned.error)
        equal = max(0.0, equal)
    else:
        equal = min(1.0, max(0.0, equal))
        spread = math.sqrt(max(equal * (1 - equal), 0.5 / rows) * _by_label(gate, held_out) / rows)
    exact = gate.judged_on.endswith(_EXACT) and gate.family in {"quality", "counterfactual"}
    tail = ALPHA / 2 / share
    reach = spread * float(ndtri(1 - tail)) + 1 / rows
    binomial = exact and not held_out.clusters
    precision = Precision(rows, spread, reach, binomial, tail, is_folded(gate))
    return told(gate, precision, equal, step, "planned")


def _why_unplanned(gate: Gate, threshold: float) -> str:
    leaf = gate.judged_on.rpartition(".")[2].removesuffix("_gain")
    if gate.judged_on.endswith("_gain") and gate.family in _LEVELS:
        return (
            "" if leaf.endswith(_OF_SHARES) else f"how {leaf} varies is known once it is measured"
        )
    if gate.family == "fairness" and leaf.endswith(("_difference", "_ratio", "_accuracy", "_f1")):
        return ""
    if gate.family != "quality":
        return "how many rows it rests on is known once it is measured"
    return "" if 0 < threshold < 1 else f"how {leaf} varies is known once it is measured"


def _by_label(gate: Gate, held_out: HeldOut) -> float:
    """How much more an average over labels varies than a share of all rows, by the rare labels."""
    counts = [count for count in held_out.rows_by_label.values() if count]
    if not counts or not any(word in gate.metric for word in _BY_LABEL):
        return 1.0
    return held_out.rows * sum(1 / count for count in counts) / len(counts) ** 2


def _of_groups(gate: Gate, held_out: HeldOut, error: float) -> tuple[int, float]:
    """Rows of the smallest compared group, and the standard error of its gap to the next."""
    sizes = sorted(_group_rows(gate.judged_on, held_out))
    several = gate.judged_on.endswith(("_difference", "_ratio"))
    told_apart: Sequence[int] = sizes[:2] if several else sizes[:1]
    variance = error * (1 - error) * sum(1 / max(1, rows) for rows in told_apart)
    return sizes[0] if sizes else held_out.rows, math.sqrt(variance)


def _group_rows(metric: str, held_out: HeldOut) -> list[int]:
    attribute = metric.split(".")[1]
    alone = attribute.endswith("_exclusive")
    name = attribute.removesuffix("_exclusive")
    found = [size for size in held_out.groups if size.attribute == name]
    return [size.clusters or (size.exclusive if alone else size.rows) for size in found]
