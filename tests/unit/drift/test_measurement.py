import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.drift.measurement import Measurement, Question, judge_checks
from tasks.verdicts import Verdict


def answered(name: str, effect_size: float, p_value: float, limit: float = 0.1) -> Measurement:
    return Question(name, "distance", limit).answered(effect_size, p_value, "a test", (60, 70))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_p_values_are_corrected_as_by_hand(p_values: list[float]) -> None:
    checks = judge_checks([answered(f"{k}", 1, p) for k, p in enumerate(p_values)], 0.05)
    count = len(p_values)
    ranked = sorted(p_values)
    for check, p_value in zip(checks, p_values, strict=True):
        # The least of m p / rank over this p-value and all larger ones.
        by_hand = min(
            count * larger / rank for rank, larger in enumerate(ranked, 1) if larger >= p_value
        )
        assert check.p_adjusted == pytest.approx(min(1.0, by_hand))
        assert check.p_value == p_value


def test_drift_needs_both_a_large_effect_and_a_small_p_value() -> None:
    checks = judge_checks(
        [
            answered("both", 0.1, 0.001),
            answered("small", 0.099, 0.001),
            answered("chance", 0.9, 0.2),
            Question("unknown", "distance", 0.1).untold("no labels", (60, 70)),
        ],
        0.05,
    )
    verdicts = {check.name: check.verdict for check in checks}
    assert verdicts == {
        "both": Verdict.FAIL,
        "small": Verdict.PASS,
        "chance": Verdict.PASS,
        "unknown": Verdict.UNDETERMINED,
    }
    # Three p-values are corrected: what could not be told is none of them.
    assert checks[0].p_adjusted == pytest.approx(0.0015)
    assert checks[0].reason == (
        "0.1 reaches 0.1; chance alone does not give it (p 0.0015 after correction)"
    )
    assert checks[2].reason == "0.9 reaches 0.1; chance alone may give it (p 0.2 after correction)"
    assert checks[3].reason == "no labels"
    assert checks[3].effect_size is checks[3].p_value is checks[3].p_adjusted is None


def test_nothing_told_is_no_pass() -> None:
    checks = judge_checks([Question("one", "distance", 0.1).untold("gone")], 0.05)
    assert [check.verdict for check in checks] == [Verdict.UNDETERMINED]
