"""The gates of a step: each is held against its limit by the ends of a confidence sequence."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from tasks.canary.comparisons import (
    DISAGREEMENT,
    FAILURES,
    QUALITY,
    SLOW,
    ComparedStep,
    gates_of,
)
from tasks.canary.sequential import lower_end, upper_end
from tasks.records.canary import SequencePoint
from tasks.registry.canary_settings import CanarySettings
from tasks.verdicts import GateResult, Verdict

SELECTED: Final = "labels that came are a selected sample of the requests"
NOT_WAITED_FOR: Final = "max_quality_loss is not set, so that labels can only stop the canary"


@dataclass(frozen=True)
class Limits:
    """What the gates of a canary are held against, and at which level.

    Attributes:
        highest: by gate, what the truth may not exceed.
        waited_for: gates that must pass before a step does.
        gates: of all steps together; each has two ends.
        alpha: chance that any of these ends is ever on the wrong side of the truth.

    """

    highest: dict[str, float]
    waited_for: frozenset[str]
    gates: int
    alpha: float

    @property
    def level(self) -> float:
        """Of one end of one gate at one step: by the union bound all together keep alpha."""
        return self.alpha / (2 * self.gates)

    @property
    def confidence(self) -> float:
        """Of both ends of one gate at one step."""
        return 1 - self.alpha / self.gates


def limits_of(settings: CanarySettings) -> Limits:
    """What the gates of a canary are held against."""
    loss, disagreement = settings.max_quality_loss, settings.max_disagreement
    highest = {
        FAILURES: settings.max_failure_increase,
        SLOW: settings.max_slow_increase,
        QUALITY: settings.harm_loss if loss is None else loss,
    }
    if disagreement is not None:
        highest[DISAGREEMENT] = disagreement
    steps = [
        gates_of(is_shadow=one.share == 0, disagreement=disagreement is not None)
        for one in settings.steps
    ]
    not_waited_for = {QUALITY} if loss is None else set()
    waited_for = frozenset(highest.keys() - not_waited_for)
    return Limits(highest, waited_for, sum(map(len, steps)), settings.alpha)


@dataclass(frozen=True)
class GateSequence:
    """A gate, and how its confidence sequence went over the step."""

    result: GateResult
    points: tuple[SequencePoint, ...]


def judge_gate(gate: str, found: ComparedStep, limits: Limits, untold: str = "") -> GateSequence:
    """Hold what was compared against the limit of a gate.

    Args:
        gate: its name.
        found: the requests of the step.
        limits: of the canary.
        untold: why it can never be told; empty where it can.

    """
    points = _points(gate, found, limits.level)
    last, limit = points[-1] if points else None, limits.highest[gate]
    verdict, reason = Verdict.UNDETERMINED, untold or _nothing(gate)
    if last:
        verdict, reason = _verdict(last.low, last.high, limit)
    remarks = [] if untold else _remarks(gate, found, limits, verdict, told=bool(last))
    result = GateResult(
        metric=gate,
        rule=f"at most {limit:g}",
        value=last.value if last else None,
        low=last.low if last else None,
        high=last.high if last else None,
        confidence=limits.confidence,
        n=int(found.by_gate[gate].observed[1][-1]),
        verdict=verdict,
        reason="; ".join([reason, *remarks]),
    )
    return GateSequence(result, points)


def _verdict(low: float, high: float, limit: float) -> tuple[Verdict, str]:
    shown = f"[{low:.4g}, {high:.4g}]"
    if low > limit:
        return Verdict.FAIL, f"all of {shown} is above {limit:g}"
    if high <= limit:
        return Verdict.PASS, f"all of {shown} is at most {limit:g}"
    return Verdict.UNDETERMINED, f"{shown} spans the limit: at most {limit:g}"


def _nothing(gate: str) -> str:
    if gate == QUALITY:
        return "no labels have come for requests of both versions yet"
    return "no requests of both versions are recorded yet"


def _remarks(
    gate: str, found: ComparedStep, limits: Limits, verdict: Verdict, *, told: bool
) -> list[str]:
    """What else is to be known of a gate."""
    remarks = []
    if unknown := found.unknown[gate]:
        what = {SLOW: "latency", DISAGREEMENT: "answers to compare"}.get(gate, "a readable answer")
        remarks.append(
            f"{unknown} requests lack {what}, and count as the worst for passing and as the best "
            "for failing"
        )
    if gate == QUALITY and told:
        remarks.append(SELECTED)
    if gate == QUALITY and found.labels_by:
        remarks.append(f"labels by {' or '.join(found.labels_by)} alone count")
    if gate not in limits.waited_for and verdict is not Verdict.FAIL:
        remarks.append(NOT_WAITED_FOR)
    return remarks


def _points(gate: str, found: ComparedStep, level: float) -> tuple[SequencePoint, ...]:
    """The sequence at the end of each part in which requests came, from where it tells anything."""
    comparison = found.by_gate[gate]
    lower, upper = comparison.for_lower_end, comparison.for_upper_end
    value = (lower.value + upper.value) / 2
    production, candidate = comparison.observed
    came = np.diff(production + candidate, prepend=0) > 0
    places = np.flatnonzero(came & np.isfinite(value))
    low, high = lower_end(lower.at(places), level), upper_end(upper.at(places), level)
    return tuple(
        SequencePoint(
            datetime.fromtimestamp(found.ends[at] / 1e6, UTC).isoformat(timespec="seconds"),
            gate,
            (int(production[at]), int(candidate[at])),
            float(value[at]),
            float(low[place]),
            float(high[place]),
        )
        for place, at in enumerate(places.tolist())
    )
