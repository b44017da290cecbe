"""The page of a canary: its gates, and their sequences over the step; one file, no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tasks.records.canary import CanaryLook, CanaryStep, SequencePoint
from tasks.reporting.charts import Scale, Tick, scale_over
from tasks.reporting.gates import SYMBOLS, gate_row
from tasks.reporting.number_format import count, interval, number, percent
from tasks.reporting.page import template_of
from tasks.reporting.timelines import Span, Timeline, TimeMark
from tasks.verdicts import GateResult, Verdict

TEMPLATE: Final = "canary_page.html.jinja"
_WORDS: Final = {
    Verdict.PASS: "The step passes",
    Verdict.FAIL: "The candidate is stopped",
    Verdict.UNDETERMINED: "Not decided yet",
}
_MEASURES: Final = {
    "canary.failure_increase": "share of requests that fail, above that of production",
    "canary.slow_increase": "share of slow answers, above that of production",
    "canary.quality_loss": "mean score on labelled rows, below that of production",
    "canary.disagreement": "share of rows that are answered otherwise than by production",
}


@dataclass(frozen=True)
class LookRow:
    """The last look at a step in words."""

    step: str
    asked: str
    requests: str
    verdict: str
    symbol: str
    at: str
    reason: str


def _minute(moment: str) -> str:
    """A moment as people read it."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def asked_in(step: CanaryStep) -> str:
    """What the candidate answers in a step, in words."""
    if step.is_shadow:
        return "asked behind production's back (shadow)"
    return f"answers {100 * step.share:.3g}% of the requests"


def sentence_of(look: CanaryLook) -> str:
    """What was looked at."""
    step, (production, candidate) = look.step, look.requests
    return (
        f"{step.line} version {step.version} beside version {step.production}, step {step.number} "
        f"since {_minute(step.since)}: {asked_in(step)}. Looked at "
        f"{_minute(look.at)}, with {count(candidate)} requests put to the "
        f"candidate and {count(production)} to production."
    )


def sequences_of(look: CanaryLook) -> list[Timeline]:
    """A chart for each gate that anything is known of, in the order of the gates."""
    span = Span(
        datetime.fromisoformat(look.step.since),
        max(
            datetime.fromisoformat(look.at),
            datetime.fromisoformat(look.step.since) + timedelta(minutes=1),
        ),
    )
    drawn = []
    for gate in look.gates:
        points = [point for point in look.points if point.metric == gate.metric]
        if points:
            drawn.append(_sequence(gate, points, span))
    return drawn


def _sequence(gate: GateResult, points: Sequence[SequencePoint], span: Span) -> Timeline:
    limit = float(gate.rule.rpartition(" ")[2])
    # The first ends are as wide as can be; what matters is where they come to.
    narrow = points[len(points) // 3 :]
    shown = [end for one in narrow for end in (one.low, one.value, one.high)]
    scale = scale_over([*shown, limit, 0.0], margin=0.12)
    return Timeline(
        name=gate.metric,
        effect=_MEASURES.get(gate.metric, ""),
        rule=f"{gate.rule}, ends that hold at all looks with {percent(gate.confidence)}",
        x_ticks=span.ticks,
        y_ticks=tuple(Tick(round(100 - tick.at, 2), tick.label) for tick in scale.ticks),
        marks=tuple(_mark(one, limit, scale, span) for one in points),
        limit=round(100 - scale.at(limit), 2),
        gaps=(),
        alarms=(),
    )


def _mark(one: SequencePoint, limit: float, scale: Scale, span: Span) -> TimeMark:
    if one.low > limit:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.PASS if one.high <= limit else Verdict.UNDETERMINED
    described = (
        f"{_minute(one.until)}: {number(one.value)}, {interval(one.low, one.high)}, "
        f"{count(one.requests[1])} requests of the candidate, {count(one.requests[0])} of "
        f"production, {verdict.value}"
    )
    y, top, bottom = (round(100 - scale.at(end), 2) for end in (one.value, one.high, one.low))
    return TimeMark(
        span.at(datetime.fromisoformat(one.until)), y, bottom, top, verdict.value, described
    )


def look_rows(looks: Sequence[CanaryLook]) -> list[LookRow]:
    """Steps, the newest first."""
    return [
        LookRow(
            str(look.step.number), asked_in(look.step), count(look.requests[1]),
            look.verdict.value, SYMBOLS[look.verdict], _minute(look.at),
            look.reason,
        )
        for look in sorted(looks, key=lambda one: -one.step.number)
    ]  # fmt: skip


def render_canary_page(look: CanaryLook, earlier: Sequence[CanaryLook] = ()) -> str:
    """The page as HTML; the same looks give the same bytes.

    Args:
        look: the newest one.
        earlier: the looks that decided on the steps before.

    """
    return template_of(TEMPLATE).render(
        look=look,
        step=look.step,
        verdict=look.verdict.value,
        title=_WORDS[look.verdict],
        sentence=sentence_of(look),
        gates=[gate_row(gate) for gate in look.gates],
        charts=sequences_of(look),
        steps=look_rows([*earlier, look]),
        links=None,
    )
