"""Verdicts fail closed, and Holm's procedure on intervals is Holm's procedure."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from tasks.resampling import Ladder, exact_ladder, holm, tail_quantiles
from tasks.verdicts import (
    ALPHA,
    MAX_FAMILY,
    Estimate,
    Gate,
    Verdict,
    combine,
    ends_at,
    exact,
    judge,
    look_share,
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
        with pytest.raises(ValidationError, match="needs either at_least or at_most"):
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


def test_however_many_looks_there_are_they_spend_alpha_once() -> None:
    shares = [1 / look_share(look) for look in range(1, 10_001)]
    assert shares[:3] == [1 / 2, 1 / 6, 1 / 12]
    assert sum(shares) == pytest.approx(1 - 1 / 10_001)
    with pytest.raises(ValueError, match="from 1"):
        look_share(0)


def test_a_look_divides_every_level_but_those_of_rows_it_did_not_read() -> None:
    names = ["quality.f", "champion.f_gain", "fairness.a.x", "fairness.a.y", "staging.s", "fresh.f"]
    asked = [Gate(metric=name, at_least=0.0) for name in names]
    results = judge(asked, [wide(name, 0.0, 0.5) for name in names], look=6)
    shares = [6, 6, 12, 12, 1, 1]
    assert [r.confidence for r in results] == pytest.approx([1 - ALPHA / k for k in shares])
    rungs = wide("quality.f", 0.0, 0.5).ladder
    assert [(r.low, r.high) for r in results] == [rungs[k - 1] for k in shares]


@pytest.mark.parametrize(("look", "golden", "shares"), [(2, 12, [2, 12, 12]), (6, 2, [6, 6, 6])])
def test_gates_on_golden_sets_have_the_level_of_the_looks_at_these(
    look: int, golden: int, shares: list[int]
) -> None:
    names = ["quality.f", "golden.team.f", "behaviour.suite.negation.pass_rate"]
    asked = [Gate(metric=name, at_least=0.0) for name in names]
    results = judge(asked, [wide(name, 0.0, 0.5) for name in names], look, golden)
    assert [r.confidence for r in results] == pytest.approx([1 - ALPHA / k for k in shares])


@given(st.lists(gates, max_size=4), st.lists(estimates, max_size=4), st.integers(1, 3_000))
def test_a_later_look_never_turns_a_non_pass_into_a_pass(
    asked: list[Gate], measured: list[Estimate], look: int
) -> None:
    first, later = judge(asked, measured), judge(asked, measured, look)
    for one, other in zip(first, later, strict=True):
        assert other.verdict in {one.verdict, Verdict.UNDETERMINED}


def ladder_of(low: Callable[[float], float], high: Callable[[float], float]) -> Ladder:
    tails = [ALPHA / 2 / k for k in range(1, MAX_FAMILY + 1)]
    return tuple((low(tail), high(tail)) for tail in tails)


@pytest.mark.parametrize(
    "distribution",
    [
        stats.norm(0, 1),
        stats.gamma(1),
        stats.gamma(3),
        stats.beta(1, 208),
        stats.beta(5, 205),
        stats.beta(200, 10),
        stats.gumbel_r(),
    ],
    ids=lambda one: f"{one.dist.name}{one.args}",
)
@pytest.mark.parametrize("share", [21, 42, 110, 2_756, 55_120])
def test_ends_beyond_the_ladder_lie_beyond_the_true_ones(
    distribution: "stats._distn_infrastructure.rv_frozen", share: int
) -> None:
    ladder = ladder_of(distribution.ppf, distribution.isf)
    ends = ends_at(ladder, share)
    assert ends
    tail = ALPHA / 2 / share
    assert ends[0] <= distribution.ppf(tail) + 1e-9
    assert ends[1] >= distribution.isf(tail) - 1e-9
    if share <= 110:  # and not by much: what a line's next weeks are judged at
        reach = distribution.isf(tail) - distribution.median()
        assert ends[1] - distribution.median() <= 1.06 * reach


def test_the_exact_ends_of_a_share_lie_within_those_beyond_the_ladder() -> None:
    for hits, rows in ((0, 209), (3, 209), (100, 209), (206, 209), (209, 209)):
        ends = ends_at(exact_ladder(hits, rows), 2_756)
        assert ends
        tail = ALPHA / 2 / 2_756
        assert ends[0] <= (stats.beta(hits, rows - hits + 1).ppf(tail) if hits else 0.0)
        assert ends[1] >= (stats.beta(hits + 1, rows - hits).isf(tail) if hits < rows else 1.0)


def test_of_a_short_ladder_no_further_end_is_made_up() -> None:
    short = replace(wide("quality.f", 0.6, 0.01), ladder=((0.59, 0.61),) * 3)
    (result,) = judge([GATE], [short], look=6)
    assert result.verdict is Verdict.UNDETERMINED
    assert "3 shares of alpha, and not for 6" in result.reason
    assert judge([GATE], [exact("quality.f", 0.9, 10)], look=10**6)[0].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("side", "value", "low", "verdict"),
    [
        ("at_least_of_champion", 0.99, 0.991, Verdict.PASS),
        ("at_least_of_champion", 0.99, 0.98, Verdict.UNDETERMINED),
        ("at_least_of_champion", 0.99, 0.9, Verdict.FAIL),
        ("at_most_of_champion", 1.01, 0.98, Verdict.PASS),
        ("at_most_of_champion", 1.01, 1.0, Verdict.UNDETERMINED),
        ("at_most_of_champion", 1.01, 1.02, Verdict.FAIL),
    ],
)
def test_a_relative_threshold_is_judged_on_the_ratio(
    side: str, value: float, low: float, verdict: Verdict
) -> None:
    gate = Gate.model_validate({"metric": "quality.macro_f1", side: value})
    assert gate.family == "champion"
    made = Estimate(
        "champion.macro_f1_ratio", low + 0.01, 600, ((low, low + 0.02),) * MAX_FAMILY, "drawn"
    )
    kind = exact("quality.macro_f1", 1.0, 600)
    (result,) = judge([gate], [kind, made])
    assert (result.metric, result.verdict) == ("champion.macro_f1_ratio", verdict)
    assert result.rule == f"{side[:8].rstrip('_').replace('_', ' ')} {value:g}"
    (blind,) = judge([gate], [kind])
    assert blind.verdict is Verdict.UNDETERMINED


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, "and has none; keep exactly one"),
        ({"at_least": 0.9, "at_least_of_champion": 0.99}, "has at_least and at_least_of_champion"),
        ({"at_least_of_champion": 0.99, "at_most_of_champion": 1.01}, "keep exactly one"),
        ({"at_least_of_champion": 0}, "greater than 0"),
    ],
)
def test_a_gate_has_exactly_one_side(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Gate.model_validate({"metric": "quality.macro_f1", **wrong})


def test_a_relative_threshold_is_of_the_candidates_own_metric() -> None:
    with pytest.raises(ValidationError, match=r"write it for quality.METRIC"):
        Gate(metric="fairness.gender.accuracy_difference", at_most_of_champion=1.1)
