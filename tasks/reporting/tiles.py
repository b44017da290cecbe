"""The few numbers that the owner of a model looks at first."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.reporting.estimates import is_difference
from tasks.reporting.evidence import Evidence
from tasks.reporting.groups import gap_of, is_decided, undetermined_groups
from tasks.reporting.number_format import count, interval, is_drawable, number, with_unit, words_of
from tasks.reporting.quality import overall_estimates
from tasks.verdicts import Estimate

_MOST_METRICS: Final = 2
_LATENCY: Final = "staging.latency_p95_ms"


@dataclass(frozen=True)
class Tile:
    """One number, large.

    Attributes:
        interval: at 95%; empty where the number is exact or there is none.
        rests_on: the rows, or why there is no number.

    """

    name: str
    number: str
    interval: str
    rests_on: str


def key_tiles(evidence: Evidence) -> list[Tile]:
    """Quality, the comparison, the widest group gap and the latency, where they were measured."""
    return list(_tiles(evidence))


def _tiles(evidence: Evidence) -> Iterator[Tile]:
    by_name = {estimate.name: estimate for estimate in evidence.estimates}
    leading = leading_metrics(evidence)
    yield from (_tile(by_name[f"quality.{name}"], words_of(name)) for name in leading)
    champion, baseline = (_lead(evidence.family(one), leading) for one in ("champion", "baseline"))
    if champion:
        against = f"against version {evidence.scores.champion_version}"
        yield _tile(champion, f"{words_of(champion.name)} {against}")
    elif baseline:
        yield _tile(baseline, f"{words_of(baseline.name)}, against the baseline")
    yield from _widest_gap(evidence)
    if _LATENCY in by_name:
        yield _tile(by_name[_LATENCY], words_of(_LATENCY))


def leading_metrics(evidence: Evidence) -> list[str]:
    """The metrics that comparators are compared in, foremost first; else those measured first."""
    scores = evidence.scores
    overall = [estimate.name.partition(".")[2] for estimate in overall_estimates(scores)]
    compared = dict.fromkeys(comparison.metric for comparison in scores.comparisons)
    return [name for name in compared if name in overall][:_MOST_METRICS] or overall[:_MOST_METRICS]


def _lead(family: tuple[Estimate, ...], leading: list[str]) -> Estimate | None:
    """The difference in the leading metric, else the first difference, else the first number."""
    differences = [e for e in family if is_difference(e.name)]
    first = [e for e in differences if leading and e.name.endswith(f".{leading[0]}_gain")]
    return next(iter([*first, *differences, *family]), None)


def _widest_gap(evidence: Evidence) -> Iterator[Tile]:
    groups = evidence.fairness.groups
    judged = [group for group in groups if is_decided(group)]
    if judged:
        widest = max(judged, key=lambda group: abs(group.accuracy_gap.value or 0.0))
        name = f"widest {gap_of(widest)} gap: {widest.attribute} {widest.group}"
        yield _tile(widest.accuracy_gap, name)
    elif groups:
        why = f"all {len(undetermined_groups(groups))} groups are undetermined"
        yield Tile(f"widest {gap_of(groups[0])} gap", "undetermined", "", why)


def _tile(estimate: Estimate, name: str) -> Tile:
    if not is_drawable(estimate):
        return Tile(name, "undetermined", "", estimate.reason or "no number")
    shown = with_unit(number(estimate.value), estimate.name)
    exact = estimate.low == estimate.high
    span = "" if exact else interval(estimate.low, estimate.high)
    return Tile(name, shown, span, f"n = {count(estimate.n)}")
