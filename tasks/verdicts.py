"""Pass, fail or undetermined: how a gate is judged on an interval, and how verdicts combine.

Everything here fails closed: what cannot be judged is undetermined, and undetermined is not pass.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field, FiniteFloat, model_validator

from infra.settings_models import SettingsModel

ALPHA = 0.05
# Holm's procedure judges the k-th of m gates at ALPHA / (m - k + 1), so an estimate carries an
# interval for each of these.
MAX_FAMILY = 20
# Families whose gates are corrected for multiplicity: one gate a group, a swap, a slice, a
# kind of change or of bias, a group that may go without answers, or a domain.
CORRECTED_FAMILIES = frozenset(
    {
        "fairness",
        "counterfactual",
        "slice",
        "robustness",
        "language_bias",
        "abstention",
        "out_of_distribution",
        "leave_one_domain_out",
    }
)
# Families that do not rest on held-out rows which an earlier look has read: their level is whole.
UNSPENT_FAMILIES = frozenset({"staging", "fresh", "privacy"})
# Families that rest on rows which every candidate of a line reads, whatever its test rows are.
GOLDEN_FAMILIES = frozenset({"golden", "behaviour"})


class Verdict(StrEnum):
    """What a gate, or all gates together, say of a candidate."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    UNDETERMINED = "undetermined"


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Pass only if there is a verdict and all pass; fail if any fails; else undetermined."""
    seen = list(verdicts)
    if Verdict.FAIL in seen:
        return Verdict.FAIL
    if not seen or Verdict.UNDETERMINED in seen:
        return Verdict.UNDETERMINED
    return Verdict.PASS


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty.

    Attributes:
        name: dotted, its first part the family, for example ``quality.macro_f1``.
        value: the point estimate; None where it cannot be computed.
        n: rows that it rests on.
        ladder: (low, high) at confidence ``1 - ALPHA / k`` for k = 1 to MAX_FAMILY; empty where
            the value is None; both ends the value itself where it is exact.
        method: how the interval was made, for example ``bootstrap, 2000 repeats`` or ``exact``.
        reason: why the value is None; empty otherwise.

    """

    name: str
    value: float | None
    n: int
    ladder: tuple[tuple[float, float], ...] = ()
    method: str = "exact"
    reason: str = ""

    @property
    def low(self) -> float | None:
        """Lower end at 95%."""
        return self.ladder[0][0] if self.ladder else None

    @property
    def high(self) -> float | None:
        """Upper end at 95%."""
        return self.ladder[0][1] if self.ladder else None


def exact(name: str, value: float, n: int) -> Estimate:
    """An estimate without sampling error: a size, a count, an agreement over fixed rows."""
    return Estimate(name, value, n, ladder=((value, value),) * MAX_FAMILY)


def undetermined(name: str, n: int, reason: str) -> Estimate:
    """An estimate that could not be made, and why."""
    return Estimate(name, None, n, method="none", reason=reason)


SIDES = ("at_least", "at_most", "at_least_of_champion", "at_most_of_champion")


class Gate(SettingsModel):
    """A rule over one estimate: its interval must lie wholly on the right side of a threshold."""

    metric: str = Field(
        # After the family anything may follow: a label or a group may be called "R&D" or "3.5+".
        pattern=r"^[a-z_]+\.\S(.*\S)?$",
        description="Name of the estimate, for example quality.macro_f1.",
    )
    at_least: FiniteFloat | None = Field(
        default=None, description="The interval's lower end must reach this."
    )
    at_most: FiniteFloat | None = Field(
        default=None, description="The interval's upper end must not exceed this."
    )
    at_least_of_champion: FiniteFloat | None = Field(
        default=None,
        gt=0,
        description="Of a quality.* metric that models are compared in: the lower end of its ratio "
        "to the champion's, on the same rows, must reach this, for example 0.99.",
    )
    at_most_of_champion: FiniteFloat | None = Field(
        default=None,
        gt=0,
        description="The same of a metric where less is better: the ratio's upper end must not "
        "exceed this, for example 1.01.",
    )

    @model_validator(mode="after")
    def _one_side(self) -> "Gate":
        given = [side for side in SIDES if getattr(self, side) is not None]
        if len(given) != 1:
            seen = " and ".join(given) or "none"
            raise ValueError(
                f"gate {self.metric} needs either at_least or at_most, or one of them of_champion, "
                f"and has {seen}; keep exactly one"
            )
        if given[0].endswith("_of_champion") and not self.metric.startswith("quality."):
            raise ValueError(
                f"gate {self.metric}: {given[0]} sets the candidate's own metric beside the "
                "champion's; write it for quality.METRIC"
            )
        return self

    @property
    def judged_on(self) -> str:
        """The estimate's name; of a threshold that is relative, the ratio to the champion's."""
        if not self.is_relative:
            return self.metric
        return f"champion.{self.metric.partition('.')[2]}_ratio"

    @property
    def is_relative(self) -> bool:
        """Whether its threshold is a share of what the champion comes to."""
        return self.at_least_of_champion is not None or self.at_most_of_champion is not None

    @property
    def family(self) -> str:
        """The first part of the estimate's name."""
        return self.judged_on.split(".", 1)[0]

    @property
    def lowest(self) -> float | None:
        """What the interval's lower end must reach; None where its upper end is judged."""
        return self.at_least if self.at_least is not None else self.at_least_of_champion

    @property
    def highest(self) -> float | None:
        """What the interval's upper end must not exceed; None where its lower end is judged."""
        return self.at_most if self.at_most is not None else self.at_most_of_champion

    @property
    def rule(self) -> str:
        """The threshold in words."""
        if self.lowest is not None:
            return f"at least {self.lowest:g}"
        return f"at most {self.highest:g}"


@dataclass(frozen=True)
class GateResult:
    """A gate, the estimate that it was judged on, and the verdict with its reason.

    Attributes:
        confidence: of the interval (low, high): 0.95, or higher where Holm's correction or the
            looks at the held-out rows ask it.

    """

    metric: str
    rule: str
    value: float | None
    low: float | None
    high: float | None
    confidence: float
    n: int
    verdict: Verdict
    reason: str


def look_share(since_pass: int) -> int:
    """The number k for which a look at held-out rows is judged at the level ALPHA / k.

    The j-th look since a candidate last passed has 1 / (j (j + 1)) of alpha: a half, a sixth, a
    twelfth and so on, which sum to one however many looks there are (alpha-investing: Foster and
    Stine 2008, doi:10.1111/j.1467-9868.2007.00643.x; by looks since the last discovery: Javanmard
    and Montanari 2018, arXiv:1603.09000).

    Args:
        since_pass: j, from 1.

    Raises:
        ValueError: it is below 1.

    """
    if since_pass < 1:
        raise ValueError(f"looks are counted from 1, and this is look {since_pass}")
    return since_pass * (since_pass + 1)


def ends_at(ladder: Sequence[tuple[float, float]], share: int) -> tuple[float, float] | None:
    """The interval at confidence ``1 - ALPHA / share``; None where the ladder does not reach it.

    Beyond the last rung an end moves on by as much for each factor of MAX_FAMILY as it does from
    the first rung to the last: on a straight line over the logarithm of its tail. A logarithm of a
    tail bends downwards wherever the density is log-concave (normal, Beta and Gamma distributions
    of shapes from 1 up: Bagnoli and Bergstrom 2005, doi:10.1007/s00199-004-0514-4), so that the
    true end lies further in. So no tail is asked of a bootstrap which its repeats cannot tell.

    Args:
        ladder: of an `Estimate`.
        share: the number k that alpha is divided by, from 1.

    """
    if share <= len(ladder):
        return ladder[share - 1]
    if len(ladder) < MAX_FAMILY:
        return None
    steps = math.log(share / MAX_FAMILY) / math.log(MAX_FAMILY)
    (first_low, first_high), (low, high) = ladder[0], ladder[MAX_FAMILY - 1]
    return low - steps * max(first_low - low, 0.0), high + steps * max(high - first_high, 0.0)


def spent_on(family: str, look: int, golden: int = 1) -> int:
    """The number that alpha is divided by for a family's gates at a look; see `judge`."""
    if family in UNSPENT_FAMILIES:
        return 1
    return max(look, golden) if family in GOLDEN_FAMILIES else look


def judge(
    gates: Sequence[Gate], estimates: Iterable[Estimate], look: int = 1, golden: int = 1
) -> tuple[GateResult, ...]:
    """Judge every gate on its estimate, in the order of the gates.

    Gates of a corrected family are judged by Holm's step-down procedure (Holm 1979), written on
    intervals: while m gates of the family are unsettled, they are judged at ALPHA / m; those that
    are settled leave the family, and the others are judged again at a larger share.

    Args:
        gates: of the policy.
        estimates: what was measured.
        look: share of alpha of this look at the held-out rows, as `look_share` gives it: all
            levels are divided by it but those of UNSPENT_FAMILIES.
        golden: the same of this look at the golden sets, for GOLDEN_FAMILIES; never less than
            `look`.

    """
    by_name: dict[str, Estimate] = {}
    for estimate in estimates:
        twice = estimate.name in by_name
        by_name[estimate.name] = _measured_twice(estimate) if twice else estimate
    results: dict[Gate, GateResult] = {}
    for family in dict.fromkeys(gate.family for gate in gates):
        members = list(dict.fromkeys(gate for gate in gates if gate.family == family))
        spent = spent_on(family, look, golden)
        if family in CORRECTED_FAMILIES:
            results |= _judge_by_holm(members, by_name, spent)
        else:
            results |= {
                gate: _judge_one(gate, by_name.get(gate.judged_on), 1, spent) for gate in members
            }
    return tuple(results[gate] for gate in gates)


def _measured_twice(estimate: Estimate) -> Estimate:
    """Of two numbers under one name, the kinder could hide the other, so neither is judged."""
    return undetermined(estimate.name, estimate.n, "two numbers were measured under this name")


def _judge_by_holm(
    gates: list[Gate], by_name: dict[str, Estimate], look: int
) -> dict[Gate, GateResult]:
    settled: dict[Gate, GateResult] = {}
    open_gates = gates
    while open_gates:
        among = len(open_gates)
        judged = {
            gate: _judge_one(gate, by_name.get(gate.judged_on), among, look) for gate in open_gates
        }
        decided = {
            gate: result
            for gate, result in judged.items()
            if result.verdict is not Verdict.UNDETERMINED
        }
        if not decided:
            return settled | judged
        settled |= decided
        open_gates = [gate for gate in open_gates if gate not in decided]
    return settled


def _judge_one(gate: Gate, estimate: Estimate | None, among: int, look: int) -> GateResult:
    """Judge one of so many gates of a family at confidence ``1 - ALPHA / (among * look)``."""
    confidence = 1 - ALPHA / (among * look)
    if estimate is None:
        reason = "nothing was measured under this name"
        return _result(gate, None, None, confidence, Verdict.UNDETERMINED, reason)
    if estimate.value is None or not estimate.ladder:
        reason = estimate.reason or "no value"
        return _result(gate, estimate, None, confidence, Verdict.UNDETERMINED, reason)
    ends = _usable_ends(estimate.value, estimate.ladder, among, look)
    if isinstance(ends, str):
        return _result(gate, estimate, None, confidence, Verdict.UNDETERMINED, ends)
    low, high = ends
    verdict, reason = _compare(gate, low, high)
    return _result(gate, estimate, (low, high), confidence, verdict, reason)


def _usable_ends(
    value: float, ladder: Sequence[tuple[float, float]], among: int, look: int
) -> tuple[float, float] | str:
    """The interval that a gate is judged on, or why there is none."""
    if among > len(ladder):
        return f"a family of {among} gates is larger than {len(ladder)}"
    ends = ends_at(ladder, among * look)
    if ends is None:
        return f"its interval is made for {len(ladder)} shares of alpha, and not for {among * look}"
    low, high = ends
    if not all(map(math.isfinite, (value, low, high))):
        return "the number or its interval is not finite"
    if not low <= value <= high:
        return f"the interval [{low:.4g}, {high:.4g}] does not hold the number itself"
    return ends


def _compare(gate: Gate, low: float, high: float) -> tuple[Verdict, str]:
    if gate.lowest is not None:
        if low >= gate.lowest:
            return Verdict.PASS, f"all of [{low:.4g}, {high:.4g}] is {gate.rule}"
        if high < gate.lowest:
            return Verdict.FAIL, f"all of [{low:.4g}, {high:.4g}] is below {gate.lowest:g}"
    if gate.highest is not None:
        if high <= gate.highest:
            return Verdict.PASS, f"all of [{low:.4g}, {high:.4g}] is {gate.rule}"
        if low > gate.highest:
            return Verdict.FAIL, f"all of [{low:.4g}, {high:.4g}] is above {gate.highest:g}"
    return Verdict.UNDETERMINED, f"[{low:.4g}, {high:.4g}] spans the threshold: {gate.rule}"


def _result(
    gate: Gate,
    estimate: Estimate | None,
    interval: tuple[float, float] | None,
    confidence: float,
    verdict: Verdict,
    reason: str,
) -> GateResult:
    value = estimate.value if estimate else None
    return GateResult(
        metric=gate.judged_on,
        rule=gate.rule,
        value=value if value is not None and math.isfinite(value) else None,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        confidence=confidence,
        n=estimate.n if estimate else 0,
        verdict=verdict,
        reason=reason,
    )
