"""The candidate against another model on the same rows."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.intervals import Drawn, Quantity, draw, gain_of, levels, ratio_of
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.evaluation import Claim, Comparison
from tasks.resampling import generator, holm
from tasks.resampling_units import Units
from tasks.task_types.measures import Measure, Measured
from tasks.verdicts import ALPHA, Estimate, Verdict, undetermined

# More rows than this many times those there are: the gain lies on the threshold, as far as one
# can tell, and no number of rows is worth naming.
MAX_TIMES_THE_ROWS = 1_000
# How the candidate's own metric on the rows of a comparison is named: champion.candidate.accuracy.
CANDIDATE: Final = "candidate"


@dataclass(frozen=True)
class Comparator:
    """What another model says of the test rows.

    Attributes:
        name: family of the estimates: ``baseline``, ``champion``, ``anchor`` or ``teacher``.
        answers: Arrow table, as the task type's predict gives it; None where it says nothing.
        measured: of these answers.
        reason: why it says nothing; empty otherwise.
        same_vocabulary: whether its tokenizer has the candidate's tokens.
        shared: the test rows that it is compared on, where these are not all; answers and measured
            are of these.

    """

    name: str
    answers: object | None = None
    measured: Measured | None = None
    reason: str = ""
    same_vocabulary: bool = True
    shared: "Shared | None" = None


@dataclass(frozen=True)
class Shared:
    """Some of N test rows, and what the candidate comes to on them.

    Attributes:
        kept: whether each test row is one of them, (N,).
        ours: the candidate's answers to them, measured.
        units: what is drawn of them.

    """

    kept: NDArray[np.bool_]
    ours: Measured
    units: Units


@dataclass(frozen=True)
class _Pair:
    comparator: Comparator
    ours: Measure
    theirs: Measure | None
    reason: str
    measured: Measured
    units: Units


def compare(
    ours: Measured, comparators: Sequence[Comparator], units: Units, settings: EvaluationSettings
) -> tuple[list[Estimate], tuple[Comparison, ...]]:
    """Each comparator's own numbers, the gains over it, and what may be claimed of them.

    All models are drawn with the same rows, so that what is hard for all of them cancels out.
    """
    pairs = [pair for comparator in comparators for pair in _pairs(ours, comparator, units)]
    gains = _gains(pairs, settings)
    tests = [_test(pair, drawn, settings) for pair, drawn in zip(pairs, gains, strict=True)]
    told = [p for _, p in tests if p is not None]
    adjusted = iter(holm(told))
    corrected = [None if p is None else next(adjusted) for _, p in tests]
    margins = [settings.margins.get(pair.ours.name, settings.margin) for pair in pairs]
    better = _claims("superiority", pairs, gains, [0.0] * len(pairs), corrected)
    no_worse = _claims("non-inferiority", pairs, gains, margins, [None] * len(pairs))
    comparisons = tuple(
        Comparison(
            pair.comparator.name, pair.ours.name, drawn.estimate, test, p, p_adjusted, claims
        )
        for pair, drawn, (test, p), p_adjusted, claims in zip(
            pairs, gains, tests, corrected, zip(better, no_worse, strict=True), strict=True
        )
    )
    estimates = [*_own_levels(pairs, settings), *(d.estimate for d in gains)]
    return [*estimates, *_ratios(pairs, settings)], comparisons


def gains_over(
    ours: Measured, comparator: Comparator, units: Units, settings: EvaluationSettings, family: str
) -> list[Estimate]:
    """The gains over a comparator alone, under the name of a family."""
    gains = [drawn.estimate for drawn in _gains(_pairs(ours, comparator, units), settings)]
    start = f"{comparator.name}."
    return [replace(one, name=f"{family}.{one.name.removeprefix(start)}") for one in gains]


def _pairs(ours: Measured, comparator: Comparator, units: Units) -> list[_Pair]:
    if comparator.shared:
        ours, units = comparator.shared.ours, comparator.shared.units
    by_name = {one.name: one for one in comparator.measured.measures} if comparator.measured else {}
    own = {one.name: one for one in ours.measures}
    pairs = []
    for name in ours.leading:
        theirs = by_name.get(name)
        reason = comparator.reason or ("" if theirs else f"the {comparator.name} has no {name}")
        if own[name].by_token and not comparator.same_vocabulary:
            reason = (
                f"{name} counts tokens, and the {comparator.name} has another tokenizer; a metric "
                "by byte or by text would compare them"
            )
        pairs.append(_Pair(comparator, own[name], theirs, reason, ours, units))
    return pairs


def _own_levels(pairs: Sequence[_Pair], settings: EvaluationSettings) -> list[Estimate]:
    """A comparator's own leading metrics; of some of the rows, the candidate's on these as well."""
    made: dict[str, Estimate] = {}
    for units in {id(pair.units): pair.units for pair in pairs}.values():
        told = [
            one
            for pair in pairs
            if pair.units is units and pair.theirs
            for one in _told(pair, pair.theirs)
        ]
        found = levels(told, units, settings.repeats, settings.seed)
        made |= {estimate.name: estimate for estimate in found}
    for pair in pairs:
        name = f"{pair.comparator.name}.{pair.ours.name}"
        made.setdefault(name, undetermined(name, pair.ours.rows, pair.reason))
    return list(made.values())


def _told(pair: _Pair, theirs: Measure) -> Iterator[tuple[str, Measure]]:
    family = pair.comparator.name
    yield family, theirs
    if pair.comparator.shared:
        yield f"{family}.{CANDIDATE}", pair.ours


def _gains(pairs: Sequence[_Pair], settings: EvaluationSettings) -> list[Drawn]:
    quantities: list[Quantity] = [
        gain_of(pair.comparator.name, pair.ours, pair.theirs, pair.units)
        for pair in pairs
        if pair.theirs and not pair.reason
    ]
    drawn = iter(draw(quantities, settings.repeats, settings.seed))
    return [
        next(drawn)
        if pair.theirs and not pair.reason
        else Drawn(
            undetermined(
                f"{pair.comparator.name}.{pair.ours.name}_gain", pair.ours.rows, pair.reason
            )
        )
        for pair in pairs
    ]


def _ratios(pairs: Sequence[_Pair], settings: EvaluationSettings) -> list[Estimate]:
    """The candidate's metrics over those of registered versions, for relative thresholds."""
    versions = [pair for pair in pairs if pair.comparator.name != "baseline"]
    quantities = [
        ratio_of(pair.comparator.name, pair.ours, pair.theirs, pair.units)
        for pair in versions
        if pair.theirs and not pair.reason
    ]
    silent = [
        undetermined(f"{pair.comparator.name}.{pair.ours.name}_ratio", pair.ours.rows, pair.reason)
        for pair in versions
        if not pair.theirs or pair.reason
    ]
    drawn = draw(quantities, settings.repeats, settings.seed)
    return [*(one.estimate for one in drawn), *silent]


def _test(pair: _Pair, drawn: Drawn, settings: EvaluationSettings) -> tuple[str, float | None]:
    """The test that suits the metric, and its p-value."""
    ours, theirs, comparator = pair.measured, pair.theirs, pair.comparator.measured
    units = pair.units
    if drawn.estimate.value is None or theirs is None or comparator is None:
        return "", None
    if not units.clustered and _is_share(pair.ours, ours) and _is_share(theirs, comparator):
        return "exact McNemar test", mcnemar(ours.row_scores > 0, comparator.row_scores > 0)
    if pair.ours.sums and theirs.sums:
        p_value = randomisation(pair.ours, theirs, units, settings.repeats, settings.seed)
        return f"approximate randomisation, {settings.repeats} repeats", p_value
    return units.method(settings.repeats), drawn.p_value


def _is_share(measure: Measure, measured: Measured) -> bool:
    """Whether the metric is the share of rows that are right, and every row is right or wrong."""
    scores = measured.row_scores
    return bool(
        measure.closed_form
        and measure.rests_on is None
        and np.isin(scores, (0.0, 1.0)).all()
        and math.isclose(measure.value, scores.mean(), abs_tol=1e-12)
    )


def mcnemar(first: object, second: object) -> float:
    """Two-sided p of the exact test (McNemar 1947, doi:10.1007/BF02295996).

    Rows on which both are right or both are wrong say nothing; of the others, either model should
    be right on half.

    Args:
        first: whether the first model is right, (N,) bool.
        second: likewise.

    """
    from scipy.stats import binomtest

    one, other = np.asarray(first, dtype=np.bool_), np.asarray(second, dtype=np.bool_)
    only_first, only_second = int((one & ~other).sum()), int((~one & other).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def randomisation(ours: Measure, theirs: Measure, units: Units, repeats: int, seed: int) -> float:
    """Two-sided p by approximate randomisation (Noreen 1989; Yeh 2000, arXiv:cs/0008005).

    If both models are as good, it does not matter which of them gave the answer to a row. So the
    answers to each unit of rows are exchanged by a fair coin, and p is the share of repeats in
    which the metric then differs by as much as it does; one is added to both counts.
    """
    assert ours.sums  # noqa: S101 - asked only of metrics that follow from sums
    assert theirs.sums  # noqa: S101
    tables = [each.sums.by_unit(units.of_row, units.count) for each in (ours, theirs) if each.sums]
    total = tables[0].sum(axis=0) + tables[1].sum(axis=0)
    seen = abs(ours.value - theirs.value)
    as_far = 0
    for kept in units.signs(repeats, generator(seed, f"randomisation {ours.name}")):
        mixed = kept @ tables[0] + (1 - kept) @ tables[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = np.abs(ours.sums.value(mixed) - ours.sums.value(total - mixed))
        # An undefined difference counts as far; sums that should be equal differ in a last bit.
        as_far += int((~(difference < seen - 1e-12)).sum())
    return (1 + as_far) / (1 + repeats)


def _claims(
    kind: str,
    pairs: Sequence[_Pair],
    gains: Sequence[Drawn],
    margins: Sequence[float],
    p_adjusted: Sequence[float | None],
) -> list[Claim]:
    """Claims of one kind, judged together by Holm's procedure on the intervals."""

    def judged(index: int, share: int) -> Verdict:
        return _judged(gains[index].estimate, -margins[index], share, strict=margins[index] == 0)

    settled = step_down(len(pairs), judged)
    claims = []
    for index, (verdict, share) in enumerate(settled):
        estimate, margin, p = gains[index].estimate, margins[index], p_adjusted[index]
        contradicted = verdict is Verdict.PASS and p is not None and p > ALPHA
        if contradicted:
            verdict = Verdict.UNDETERMINED  # noqa: PLW2901 - the interval and the test disagree
        more = (
            more_rows(estimate, -margin, share)
            if verdict is Verdict.UNDETERMINED and estimate.value is not None
            else None
        )
        reason = _sentence(kind, pairs[index], estimate, margin, share, verdict)
        if contradicted:
            reason += f"; the interval says yes, but the test does not (p = {p:.3g})"
        if more is not None:
            reason += f"; about {more:,} more test rows would probably settle it"
        claims.append(Claim(kind, margin, verdict, reason, more))
    return claims


def step_down(members: int, judged: Callable[[int, int], Verdict]) -> list[tuple[Verdict, int]]:
    """Holm's procedure: verdict of each member, and the share of alpha that it was judged at.

    Args:
        members: how many.
        judged: from a member and the number k that shares alpha to its verdict.

    """
    settled: dict[int, tuple[Verdict, int]] = {}
    while len(settled) < members:
        waiting = [index for index in range(members) if index not in settled]
        share = len(waiting)
        made = {index: (judged(index, share), share) for index in waiting}
        decided = {i: m for i, m in made.items() if m[0] is not Verdict.UNDETERMINED}
        settled |= decided or made
    return [settled[index] for index in range(members)]


def _judged(estimate: Estimate, threshold: float, share: int, *, strict: bool) -> Verdict:
    if estimate.value is None or share > len(estimate.ladder):
        return Verdict.UNDETERMINED
    low, high = estimate.ladder[share - 1]
    if low > threshold or (low == threshold and not strict):
        return Verdict.PASS
    return Verdict.FAIL if high < threshold else Verdict.UNDETERMINED


def more_rows(estimate: Estimate, threshold: float, share: int) -> int | None:
    """Rows that would bring the interval's nearer end to the threshold, beside those there are.

    An interval narrows as one over the square root of the rows, and the value is taken to stay.
    """
    if estimate.value is None or share > len(estimate.ladder):
        return None
    low, high = estimate.ladder[share - 1]
    away = estimate.value - threshold
    reach = estimate.value - low if away > 0 else high - estimate.value
    if away == 0 or (reach / away) ** 2 > MAX_TIMES_THE_ROWS:
        return None
    return max(1, math.ceil(estimate.n * ((reach / away) ** 2 - 1)))


def _sentence(
    kind: str, pair: _Pair, estimate: Estimate, margin: float, share: int, verdict: Verdict
) -> str:
    comparator, metric = f"the {pair.comparator.name}", pair.ours.name
    claim = (
        f"better than {comparator} in {metric}"
        if kind == "superiority"
        else f"not worse than {comparator} in {metric} by more than {margin:g}"
    )
    if estimate.value is None or share > len(estimate.ladder):
        reason = estimate.reason or f"{share} claims are more than intervals are made for"
        return f"whether the candidate is {claim} cannot be told: {reason}"
    low, high = estimate.ladder[share - 1]
    seen = f"gain {estimate.value:.4g} [{low:.4g}, {high:.4g}] at {1 - ALPHA / share:.2%}"
    said = {
        Verdict.PASS: f"the candidate is {claim}: {seen}",
        Verdict.FAIL: f"the candidate is not {claim}: {seen}",
        Verdict.UNDETERMINED: f"these rows cannot tell whether the candidate is {claim}: {seen}",
    }
    return said[verdict]
