"""Verdicts fail closed, and Holm's procedure on intervals is Holm's procedure."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.resampling import holm, tail_quantiles
from tasks.verdicts import (
    ALPHA,
    MAX_FAMILY,
    Estimate,
    Gate,
    Verdict,
    combine,
    exact,
    judge,
    undetermined,
)

verdicts = st.lists(st.sampled_from(Verdict))
NAMES = [f"fairness.gender.m{number}" for number in range(4)]
numbers = st.floats(-1, 1)


def wide(name: str, value: float, half: float) -> Estimate:
    """An estimate whose interval widens with the confidence."""
    ladder = tuple((value - half * (1 + k / 10), value + half * (1 + k / 10)) for k in range(20))
    return Estimate(name, value, 100, ladder, "by hand")


estimates = st.builds(wide, st.sampled_from(NAMES), numbers, st.floats(0, 0.5)) | st.builds(
    undetermined, st.sampled_from(NAMES), st.just(3), st.just("too few")
)
gates = st.builds(Gate, metric=st.sampled_from(NAMES), at_least=numbers) | st.builds(
    Gate, metric=st.sampled_from(NAMES), at_most=numbers
)


def test_nothing_judged_is_undetermined() -> None:
    assert combine([]) is Verdict.UNDETERMINED


@given(verdicts)
def test_only_passes_pass(seen: list[Verdict]) -> None:
    assert (combine(seen) is Verdict.PASS) == (bool(seen) and set(seen) == {Verdict.PASS})
    assert (combine(seen) is Verdict.FAIL) == (Verdict.FAIL in seen)


@given(verdicts, st.sampled_from(Verdict))
def test_a_further_verdict_never_helps(seen: list[Verdict], more: Verdict) -> None:
    if seen and combine(seen) is not Verdict.PASS:
        assert combine([*seen, more]) is not Verdict.PASS


@given(st.lists(gates, min_size=1, max_size=6), gates, st.lists(estimates, max_size=6))
def test_a_further_gate_never_turns_a_non_pass_into_a_pass(
    before: list[Gate], more: Gate, measured: list[Estimate]
) -> None:
    verdict = combine(result.verdict for result in judge(before, measured))
    later = combine(result.verdict for result in judge([*before, more], measured))
    if verdict is not Verdict.PASS:
        assert later is not Verdict.PASS


@given(st.lists(gates, max_size=6), st.lists(estimates, max_size=6))
def test_every_gate_has_its_own_result(asked: list[Gate], measured: list[Estimate]) -> None:
    results = judge(asked, measured)
    assert [(r.metric, r.rule) for r in results] == [(g.metric, g.rule) for g in asked]
    known = {estimate.name for estimate in measured if estimate.value is not None}
    assert all(r.metric in known for r in results if r.verdict is Verdict.PASS)


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [
        (Gate(metric="quality.f", at_least=0.5), Verdict.PASS),
        (Gate(metric="quality.f", at_most=0.5), Verdict.PASS),
        (Gate(metric="quality.f", at_least=0.5 + 1e-12), Verdict.FAIL),
        (Gate(metric="quality.f", at_most=0.5 - 1e-12), Verdict.FAIL),
    ],
)
def test_a_threshold_belongs_to_its_passing_side(gate: Gate, verdict: Verdict) -> None:
    assert judge([gate], [exact("quality.f", 0.5, 10)])[0].verdict is verdict


@pytest.mark.parametrize("side", ["at_least", "at_most"])
@pytest.mark.parametrize("low", [0.2, 0.5, 0.7])
@pytest.mark.parametrize("width", [0.0, 0.1, 0.3, 0.5])
def test_an_interval_passes_or_fails_only_as_a_whole(side: str, low: float, width: float) -> None:
    high = low + width
    measured = Estimate("quality.f", low + width / 4, 77, ((low, high),) * MAX_FAMILY, "by hand")
    (result,) = judge([Gate.model_validate({"metric": "quality.f", side: 0.5})], [measured])
    good, bad = (low >= 0.5, high < 0.5) if side == "at_least" else (high <= 0.5, low > 0.5)
    expected = Verdict.PASS if good else Verdict.FAIL if bad else Verdict.UNDETERMINED
    rule = f"{side.replace('_', ' ')} 0.5"
    interval = f"[{low:.4g}, {high:.4g}]"
    assert result.verdict is expected
    assert (
        result.reason
        == {
            Verdict.PASS: f"all of {interval} is {rule}",
            Verdict.FAIL: f"all of {interval} is {'below' if side == 'at_least' else 'above'} 0.5",
            Verdict.UNDETERMINED: f"{interval} spans the threshold: {rule}",
        }[expected]
    )
    assert (result.metric, result.rule, result.n) == ("quality.f", rule, 77)
    assert (result.value, result.low, result.high) == (low + width / 4, low, high)
    assert result.confidence == 0.95


def test_the_ends_of_an_estimate_are_those_at_95_percent() -> None:
    measured = wide("quality.f", 0.5, 0.1)
    assert (measured.low, measured.high) == (0.4, 0.6)
    for nothing in (undetermined("quality.f", 3, "too few"), replace(measured, ladder=())):
        assert (nothing.low, nothing.high) == (None, None)
    told = undetermined("quality.f", 3, "too few")
    assert (told.name, told.value, told.n, told.reason) == ("quality.f", None, 3, "too few")
    fixed = exact("quality.f", 0.3, 8)
    assert (fixed.n, fixed.ladder, fixed.method) == (8, ((0.3, 0.3),) * MAX_FAMILY, "exact")


def test_a_gate_has_one_side_and_a_family() -> None:
    gate = Gate(metric="fairness.gender.x", at_least=0.5)
    assert (gate.family, gate.rule) == ("fairness", "at least 0.5")
    for sides in ({}, {"at_least": 0.1, "at_most": 0.2}):
        with pytest.raises(ValidationError, match="either at_least or at_most, and not both"):
            Gate.model_validate({"metric": "quality.f", **sides})


def test_an_interval_over_the_threshold_decides_nothing() -> None:
    result = judge([Gate(metric="quality.f", at_least=0.5)], [wide("quality.f", 0.52, 0.1)])[0]
    assert result.verdict is Verdict.UNDETERMINED
    assert "spans the threshold" in result.reason


GATE = Gate(metric="quality.f", at_least=0.5)
GOOD = exact("quality.f", 0.9, 10)


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        ([], "nothing was measured"),
        ([undetermined("quality.f", 3, "only 3 rows")], "only 3 rows"),
        ([replace(GOOD, value=None)], "no value"),
        ([replace(GOOD, ladder=())], "no value"),
        ([replace(GOOD, value=math.nan)], "not finite"),
        ([replace(GOOD, ladder=((math.nan, 1.0),) * MAX_FAMILY)], "not finite"),
        ([replace(GOOD, ladder=((0.8, math.inf),) * MAX_FAMILY)], "not finite"),
        ([replace(GOOD, ladder=((0.95, 0.99),) * MAX_FAMILY)], "does not hold"),
        ([replace(GOOD, ladder=((0.95, 0.6),) * MAX_FAMILY)], "does not hold"),
        ([replace(GOOD, value=0.1), GOOD], "two numbers"),
        ([GOOD, replace(GOOD, name="quality.F")], None),
    ],
)
def test_what_cannot_be_judged_is_undetermined(
    measured: list[Estimate], reason: str | None
) -> None:
    result = judge([GATE], measured)[0]
    assert result.verdict is (Verdict.UNDETERMINED if reason else Verdict.PASS)
    assert (result.low, result.high) == ((None, None) if reason else (0.9, 0.9))
    assert result.n == (measured[0].n if measured else 0)
    assert result.confidence == 0.95
    assert result.value is None or math.isfinite(result.value)
    assert not reason or reason in result.reason


def test_a_family_beyond_the_ladder_is_undetermined() -> None:
    many = [Gate(metric=f"fairness.a.m{k}", at_least=0.5) for k in range(MAX_FAMILY + 1)]
    results = judge(many, [exact(gate.metric, 0.9, 10) for gate in many])
    assert {result.verdict for result in results} == {Verdict.UNDETERMINED}
    assert {r.verdict for r in judge(many[1:], [exact(g.metric, 0.9, 9) for g in many])} == {
        Verdict.PASS
    }


def test_two_thresholds_that_print_alike_stay_apart() -> None:
    asked = [Gate(metric="quality.f", at_least=x) for x in (0.50000001, 0.5)]
    results = judge(asked, [exact("quality.f", 0.5, 10)])
    assert [result.verdict for result in results] == [Verdict.FAIL, Verdict.PASS]


def test_only_corrected_families_widen() -> None:
    for family, confidence in (("quality", 0.95), ("fairness", 0.975)):
        names = [f"{family}.a.x", f"{family}.a.y"]
        asked = [Gate(metric=name, at_least=0.0) for name in names]
        results = judge(asked, [wide(name, 0.0, 0.5) for name in names])
        assert [result.confidence for result in results] == pytest.approx([confidence] * 2)


@pytest.mark.parametrize("seed", range(40))
def test_holm_on_intervals_is_holm_on_p_values(seed: int) -> None:
    """A gate is settled exactly where Holm rejects that the number sits on its threshold."""
    random = np.random.default_rng(seed)
    size, repeats = int(random.integers(1, 8)), 4001
    draws = random.normal(random.normal(0, 2.5, size), 1, size=(repeats, size))
    lows, highs = tail_quantiles(draws)
    measured = [
        Estimate(
            f"fairness.g.m{k}",
            float(np.median(draws[:, k])),
            10,
            tuple(zip(lows[:, k].tolist(), highs[:, k].tolist(), strict=True)),
        )
        for k in range(size)
    ]
    results = judge([Gate(metric=e.name, at_least=0.0) for e in measured], measured)
    # The interval at 1 - a leaves floor(a / 2 * (repeats - 1)) draws beyond each end.
    beyond = np.minimum((draws < 0).sum(axis=0), (draws > 0).sum(axis=0))
    rejected = np.array(holm((2 * beyond / (repeats - 1)).tolist())) <= ALPHA
    assert [r.verdict is not Verdict.UNDETERMINED for r in results] == rejected.tolist()


@pytest.mark.parametrize(
    "name", ["quality.macro_f1", "quality.recall.R&D", "fairness.region.accuracy_gap.北京 (海淀)"]
)
def test_a_gate_may_name_any_label_or_group(name: str) -> None:
    assert Gate(metric=name, at_most=1).family == name.split(".", maxsplit=1)[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"metric": "macro_f1", "at_least": 0.5},
        {"metric": "quality. ", "at_least": 0.5},
        {"metric": "quality.f"},
        {"metric": "quality.f", "at_least": 0.5, "at_most": 0.6},
        {"metric": "quality.f", "at_least": math.nan},
        {"metric": "quality.f", "at_most": math.inf},
    ],
)
def test_a_gate_that_cannot_judge_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Gate.model_validate(wrong)
