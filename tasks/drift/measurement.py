"""What one check measured, and when it is called drift."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.records.data import DriftCheck
from tasks.verdicts import Verdict

# So that sums in another order, on another machine, give the same record.
DIGITS = 6


@dataclass(frozen=True)
class Question:
    """What a check asks.

    Attributes:
        effect: what the effect size measures.
        limit: effect size from which on a significant difference is drift.
        of_equals: effect size of two sides that hold the same rows.

    """

    name: str
    effect: str
    limit: float
    of_equals: float = 0.0

    def answered(
        self, effect_size: float, p_value: float, test: str, rows: tuple[int, int]
    ) -> "Measurement":
        """The answer, from rows before and now."""
        return Measurement(self, rows, test, (round(effect_size, DIGITS), p_value))

    def of_same_rows(self, rows: tuple[int, int]) -> "Measurement":
        """The answer where both sides hold the same rows."""
        return self.answered(self.of_equals, 1.0, "none, the rows are the same", rows)

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

    """

    question: Question
    rows: tuple[int, int]
    test: str = ""
    answer: tuple[float, float] | None = None
    reason: str = ""


def judge_checks(
    measurements: Sequence[Measurement], false_discovery_rate: float
) -> tuple[DriftCheck, ...]:
    """Correct all p-values together (Benjamini and Hochberg 1995) and judge each check.

    The correction holds for tests that are independent or positively dependent (Benjamini and
    Yekutieli 2001), as checks of one set of rows are.
    """
    from scipy.stats import false_discovery_control

    p_values = {one.question.name: one.answer[1] for one in measurements if one.answer}
    adjusted = {}
    if p_values:
        corrected = false_discovery_control(list(p_values.values())).tolist()
        adjusted = dict(zip(p_values, corrected, strict=True))
    return tuple(
        _judge(one, adjusted.get(one.question.name, 1.0), false_discovery_rate)
        for one in measurements
    )


def _judge(one: Measurement, p_adjusted: float, rate: float) -> DriftCheck:
    asked = one.question
    verdict, reason = Verdict.UNDETERMINED, one.reason
    if one.answer is not None:
        large, certain = one.answer[0] >= asked.limit, p_adjusted < rate
        verdict = Verdict.FAIL if large and certain else Verdict.PASS
        size = f"{one.answer[0]:.3g} {'reaches' if large else 'is below'} {asked.limit:g}"
        chance = "chance alone does not give it" if certain else "chance alone may give it"
        reason = f"{size}; {chance} (p {p_adjusted:.2g} after correction)"
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
    )
