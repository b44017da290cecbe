import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.drift.intervals import around, exactly
from tasks.drift.measurement import Measurement, Question, judge_checks
from tasks.verdicts import Verdict

LIMIT = 0.1


def answered(name: str, low: float, high: float, p_value: float = 0.001) -> Measurement:
    asked = Question(name, "distance", LIMIT)
    return asked.answered((low + high) / 2, p_value, "a test", (60, 70), lambda _: (low, high))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_p_values_are_corrected_as_by_hand(p_values: list[float]) -> None:
    checks = judge_checks([answered(f"{k}", 1, 1, p) for k, p in enumerate(p_values)], 0.05)
    count = len(p_values)
    dependence = sum(1 / rank for rank in range(1, count + 1))
    ranked = sorted(p_values)
    for check, p_value in zip(checks, p_values, strict=True):
        # The least of m p / rank over this p-value and all larger ones.
        by_hand = min(
            dependence * count * larger / rank
            for rank, larger in enumerate(ranked, 1)
            if larger >= p_value
        )
        assert check.p_adjusted == pytest.approx(min(1.0, by_hand))
        assert check.p_value == p_value


def test_a_check_passes_below_its_limit_alone_and_fails_beyond_it_alone() -> None:
    checks = judge_checks(
        [
            answered("below", 0.02, 0.09),
            answered("up to it", 0.02, 0.1),
            answered("across", 0.09, 0.2),
            answered("beyond", 0.1, 0.2),
            answered("by chance", 0.1, 0.2, p_value=0.4),
            Question("unknown", "distance", LIMIT).untold("no labels", (60, 70)),
        ],
        0.05,
    )
    assert {check.name: check.verdict for check in checks} == {
        "below": Verdict.PASS,
        "up to it": Verdict.UNDETERMINED,
        "across": Verdict.UNDETERMINED,
        "beyond": Verdict.FAIL,
        "by chance": Verdict.UNDETERMINED,
        "unknown": Verdict.UNDETERMINED,
    }
    assert checks[0].reason == "0.055, between 0.02 and 0.09: all below 0.1"
    assert (
        checks[3].reason == "0.15, between 0.1 and 0.2: none below 0.1 (p 0.0029 after correction)"
    )
    assert checks[4].reason.startswith("0.15, between 0.1 and 0.2: none below 0.1, but chance may")
    assert checks[5].reason == "no labels"
    assert checks[5].effect_size is checks[5].p_value is checks[5].low is checks[5].high is None


def test_an_insignificant_difference_is_no_pass() -> None:
    """Of fifty rows a side a distance of 0.2 is seldom significant."""
    (check,) = judge_checks([answered("few rows", 0.0, 0.31, p_value=0.9)], 0.05)
    assert check.verdict is Verdict.UNDETERMINED


def test_the_rows_that_would_tell_are_those_with_which_the_limit_is_left() -> None:
    asked = Question("one", "distance", LIMIT)
    found = asked.answered(0.05, 0.2, "a test", (400, 300), around(0.05, 0.05, 300))
    (check,) = judge_checks([found], 0.05)
    assert check.rows_needed is not None
    again = around(0.05, 0.05, 300)
    assert again(check.rows_needed / 300)[1] < LIMIT
    assert again((check.rows_needed - 2) / 300)[1] >= LIMIT
    assert f"if it is 0.05, about {check.rows_needed:,} rows on the smaller side" in check.reason


def test_an_effect_at_the_limit_is_told_by_no_number_of_rows() -> None:
    asked = Question("one", "distance", LIMIT)
    (check,) = judge_checks(
        [asked.answered(0.1, 0.2, "a test", (400, 300), around(0.1, 0.05, 300))], 0.05
    )
    assert check.rows_needed is None
    assert check.reason.endswith("no number of rows nearby would tell")


def test_the_same_rows_pass_and_need_no_more() -> None:
    (check,) = judge_checks([Question("one", "area", 0.65, 0.5).of_same_rows((60, 60))], 0.05)
    assert (check.verdict, check.low, check.high) == (Verdict.PASS, 0.5, 0.5)
    assert check.rows_needed is None
    assert exactly(0.5)(3.0) == (0.5, 0.5)


def test_nothing_told_is_no_pass() -> None:
    checks = judge_checks([Question("one", "distance", 0.1).untold("gone")], 0.05)
    assert [check.verdict for check in checks] == [Verdict.UNDETERMINED]
