"""What one check measured, and when it is called drift."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from tasks.drift.intervals import Ends, EndsOf, exactly, times_to_settle
from tasks.records.data import DriftCheck
from tasks.verdicts import Verdict

# So that sums in another order, on another machine, give the same record.
DIGITS = 6

_LEAST_P: Final = 0.0001  # as the report writes it


@dataclass(frozen=True)
class Question:
    """What a check asks.

    Attributes:
        effect: what the effect size measures.
        limit: effect size that its interval must lie wholly below to pass.
        of_equals: effect size of two sides that hold the same rows.

    """

    name: str
    effect: str
    limit: float
    of_equals: float = 0.0

    def answered(
        self,
        effect_size: float,
        p_value: float,
        test: str,
        rows: tuple[int, int],
        ends: EndsOf,
    ) -> "Measurement":
        """The answer, from rows before and now, with the ends of its interval."""
        value = round(effect_size, DIGITS)
        low, high = (round(end, DIGITS) for end in ends(1.0))
        times = times_to_settle(ends, self.limit)
        return Measurement(
            self,
            rows,
            test,
            (value, p_value),
            interval=(float(min(low, value)), float(max(high, value))),
            rows_needed=None if times is None else ceil(times * min(rows)),
        )

    def of_same_rows(self, rows: tuple[int, int]) -> "Measurement":
        """The answer where both sides hold the same rows."""
        ends = exactly(self.of_equals)
        return self.answered(self.of_equals, 1.0, "none, the rows are the same", rows, ends)

    def untold(self, reason: str, rows: tuple[int, int] = (0, 0)) -> "Measurement":
        """No answer, and why."""
        return Measurement(self, rows, reason=reason)


@dataclass(frozen=True)
class Measurement:
    """What one check measured.

    Attributes:
        rows: before and now.
        answer: effect size and p-value; None where they cannot be told.
        reason: why they cannot.
        interval: of the effect size, either end missing it in one draw of forty.
        rows_needed: of the smaller side, for the interval to leave the limit if the effect is what
            it seems; None where no number nearby does.

    """

    question: Question
    rows: tuple[int, int]
    test: str = ""
    answer: tuple[float, float] | None = None
    reason: str = ""
    interval: Ends | None = None
    rows_needed: int | None = None


def judge_checks(
    measurements: Sequence[Measurement], false_discovery_rate: float
) -> tuple[DriftCheck, ...]:
    """Judge each check on its interval, and correct all p-values together.

    All checks must pass, so that none needs a correction for their number to pass. Any of them can
    call drift, so a call also asks for a small p-value after the correction of Benjamini and
    Yekutieli (2001, doi:10.1214/aos/1013699998), which holds however the checks depend on each
    other: lengths, words and embeddings are of the same rows.
    """
    from scipy.stats import false_discovery_control

    p_values = {one.question.name: one.answer[1] for one in measurements if one.answer}
    adjusted = {}
    if p_values:
        corrected = false_discovery_control(list(p_values.values()), method="by").tolist()
        adjusted = dict(zip(p_values, corrected, strict=True))
    return tuple(
        _judge(one, adjusted.get(one.question.name, 1.0), false_discovery_rate)
        for one in measurements
    )


def _judge(one: Measurement, p_adjusted: float, rate: float) -> DriftCheck:
    asked = one.question
    verdict, reason = Verdict.UNDETERMINED, one.reason
    if one.answer is not None and one.interval is not None:
        verdict = _verdict_of(one.interval, asked.limit, certain=p_adjusted < rate)
        reason = _explain(one, one.answer[0], one.interval, p_adjusted, verdict)
    return DriftCheck(
        name=asked.name,
        test=one.test,
        effect=asked.effect,
        effect_size=one.answer[0] if one.answer else None,
        limit=asked.limit,
        p_value=one.answer[1] if one.answer else None,
        p_adjusted=p_adjusted if one.answer else None,
        rows_before=one.rows[0],
        rows_now=one.rows[1],
        verdict=verdict,
        reason=reason,
        low=one.interval[0] if one.interval else None,
        high=one.interval[1] if one.interval else None,
        rows_needed=one.rows_needed if verdict is Verdict.UNDETERMINED else None,
    )


def _verdict_of(interval: Ends, limit: float, *, certain: bool) -> Verdict:
    low, high = interval
    if high < limit:
        return Verdict.PASS
    return Verdict.FAIL if low >= limit and certain else Verdict.UNDETERMINED


def _p(value: float) -> str:
    return f"p {value:.2g}" if value >= _LEAST_P else f"p < {_LEAST_P:g}"


def _explain(
    one: Measurement, value: float, interval: Ends, p_adjusted: float, verdict: Verdict
) -> str:
    low, high = interval
    limit = one.question.limit
    found = f"{value:.3g}, between {low:.3g} and {high:.3g}"
    if verdict is Verdict.PASS:
        return f"{found}: all below {limit:g}"
    if verdict is Verdict.FAIL:
        return f"{found}: none below {limit:g} ({_p(p_adjusted)} after correction)"
    if low >= limit:
        return (
            f"{found}: none below {limit:g}, but chance may give it "
            f"({_p(p_adjusted)} after correction)"
        )
    if one.rows_needed is None:
        return f"{found}: it may be {limit:g} or not, and no number of rows nearby would tell"
    return (
        f"{found}: it may be {limit:g} or not; if it is {value:.3g}, about {one.rows_needed:,} "
        "rows on the smaller side would tell"
    )
