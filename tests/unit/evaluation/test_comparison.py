"""Paired comparisons against closed forms, exhaustive enumeration and scikit-learn."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.evaluation.comparison import (
    Comparator,
    Shared,
    _claims,
    _is_share,
    _judged,
    _Pair,
    compare,
    mcnemar,
    more_rows,
    randomisation,
    step_down,
)
from tasks.evaluation.intervals import Drawn, draw, ratio_of
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.evaluation import Comparison
from tasks.resampling_units import Units, units_of_rows
from tasks.task_types.labels.classification_measures import measure_classes
from tasks.task_types.measures import Measure, Measured, mean_of, ratio_of_sums
from tasks.verdicts import MAX_FAMILY, Estimate, Verdict
from tests.unit.evaluation.conftest import LABELS

QUICK = EvaluationSettings(repeats=4_000)
Ids = NDArray[np.int64]


def drawn(seed: int, rows: int = 300, right: float = 0.9) -> tuple[Ids, Ids]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, rows)
    other = (truth + random.integers(1, 4, rows)) % 4
    return truth, np.where(random.random(rows) < right, truth, other)


def measured(truth: Ids, predicted: Ids) -> Measured:
    rows = pa.table({"label": [LABELS[label] for label in truth]})
    return measure_classes(rows, pa.table({"predicted": predicted}), LABELS)


def units_for(rows: int) -> Units:
    return units_of_rows([f"{row:06d}" for row in range(rows)])


def compared(
    truth: Ids, ours: Ids, theirs: Ids, chosen: EvaluationSettings = QUICK
) -> tuple[dict[str, Estimate], dict[str, Comparison]]:
    comparator = Comparator("champion", None, measured(truth, theirs))
    estimates, comparisons = compare(
        measured(truth, ours), [comparator], units_for(len(truth)), chosen
    )
    return {e.name: e for e in estimates}, {c.metric: c for c in comparisons}


def test_a_gain_is_the_difference_of_scikit_learns_values() -> None:
    truth, ours = drawn(0)
    theirs = drawn(0, right=0.6)[1]
    made, comparisons = compared(truth, ours, theirs)
    f1 = [sk.f1_score(truth, p, average="macro") for p in (ours, theirs)]
    hits = [sk.accuracy_score(truth, p) for p in (ours, theirs)]
    assert {name: e.value for name, e in made.items()} == pytest.approx(
        {
            "champion.macro_f1": f1[1],
            "champion.accuracy": hits[1],
            "champion.macro_f1_gain": f1[0] - f1[1],
            "champion.accuracy_gain": hits[0] - hits[1],
            "champion.macro_f1_ratio": f1[0] / f1[1],
            "champion.accuracy_ratio": hits[0] / hits[1],
        }
    )
    assert list(comparisons) == ["macro_f1", "accuracy"]
    for one in comparisons.values():
        assert one.gain == made[f"champion.{one.metric}_gain"]
        assert [claim.verdict for claim in one.claims] == [Verdict.PASS] * 2
        assert "is better than the champion" in one.claims[0].reason
        assert [claim.more_rows for claim in one.claims] == [None, None]


def test_the_same_rows_are_drawn_for_both() -> None:
    """Two models that mostly err on the same rows differ by little; unpaired intervals say more."""
    truth, ours = drawn(0, rows=600, right=0.7)
    theirs = ours.copy()
    theirs[:5] = (theirs[:5] + 1) % 4
    made, _ = compared(truth, ours, theirs)
    gain, alone = made["champion.accuracy_gain"], made["champion.accuracy"]
    assert gain.high - gain.low < (alone.high - alone.low) / 3  # type: ignore[operator]


def test_equal_predictions_gain_nothing_but_few_rows_do_not_prove_it() -> None:
    truth, ours = drawn(0, rows=40)
    made, comparisons = compared(truth, ours, ours)
    for name in ("macro_f1", "accuracy"):
        gain = made[f"champion.{name}_gain"]
        assert gain.value == 0
        assert gain.low is not None
        assert gain.high is not None
        assert gain.low < -0.01
        assert gain.high > 0.01
        better, no_worse = comparisons[name].claims
        assert (better.verdict, no_worse.verdict) == (Verdict.UNDETERMINED,) * 2
        assert better.more_rows is None  # no number of rows tells nothing from nothing
        assert no_worse.more_rows is not None
        assert no_worse.more_rows > 0
        assert f"about {no_worse.more_rows:,} more test rows" in no_worse.reason
        assert comparisons[name].p_value == 1


@pytest.mark.slow
def test_paired_intervals_cover_the_true_gain() -> None:
    random, covered = np.random.default_rng(1), np.zeros(2)
    for _ in range(150):
        truth = random.integers(0, 4, 300)
        ours = np.where(random.random(300) < 0.95, truth, (truth + 1) % 4)
        theirs = np.where(random.random(300) < 0.92, truth, (truth + 1) % 4)
        made, _ = compared(truth, ours, theirs)
        gains = [e for name, e in made.items() if name.endswith("_gain")]
        covered += [e.ladder[0][0] <= 0.03 <= e.ladder[0][1] for e in gains]
    assert (covered / 150 >= 0.92).all(), covered


def test_a_silent_rival_leaves_its_claims_undetermined() -> None:
    truth, ours = drawn(0)
    comparator = Comparator("champion", reason="lost")
    estimates, comparisons = compare(measured(truth, ours), [comparator], units_for(300), QUICK)
    assert {(e.name, e.value, e.reason) for e in estimates} == {
        (f"champion.{name}", None, "lost")
        for metric in ("macro_f1", "accuracy")
        for name in (metric, f"{metric}_gain", f"{metric}_ratio")
    }
    for one in comparisons:
        assert (one.test, one.p_value, one.p_adjusted) == ("", None, None)
        for claim in one.claims:
            assert claim.verdict is Verdict.UNDETERMINED
            assert claim.reason.endswith("cannot be told: lost")


def test_a_metric_by_token_is_not_compared_across_tokenizers() -> None:
    random = np.random.default_rng(0)
    columns = [random.random(100), np.ones(100)]

    def perplexity(scale: float) -> Measured:
        one = ratio_of_sums(
            "perplexity", [columns[0] * scale, columns[1]], lambda s: np.exp(s[..., 0] / s[..., 1]),
            greater_is_better=False, by_token=True,
        )  # fmt: skip
        return Measured((one,), columns[0], ("perplexity",))

    same = Comparator("champion", None, perplexity(2))
    made, (told,) = compare(perplexity(1), [same], units_for(100), QUICK)
    assert made[1].value is not None
    assert made[1].value > 0
    assert told.claims[0].verdict is Verdict.PASS
    other = replace(same, same_vocabulary=False)
    made, (told,) = compare(perplexity(1), [other], units_for(100), QUICK)
    assert made[1].value is None
    assert "has another tokenizer" in told.claims[0].reason


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=14))
@settings(deadline=None)
def test_mcnemar_by_enumeration(pairs: list[tuple[bool, bool]]) -> None:
    """p is the share of coin tosses over the discordant rows that lean as far or further."""
    discordant = [(one, other) for one, other in pairs if one != other]
    lean = abs(sum(one - other for one, other in discordant))
    tosses = list(itertools.product((1, -1), repeat=len(discordant)))
    expected = sum(abs(sum(toss)) >= lean for toss in tosses) / len(tosses)
    assert mcnemar(*np.array(pairs).T) == pytest.approx(expected)


def test_mcnemar_of_a_published_table() -> None:
    """R's exact test of 86 and 150 changes (Agresti 1990, approval of the prime minister)."""
    first = np.array([True] * 86 + [False] * 150 + [True] * 794)
    second = np.array([False] * 86 + [True] * 150 + [True] * 794)
    assert mcnemar(first, second) == pytest.approx(3.716e-05, rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_randomisation_by_enumeration(seed: int) -> None:
    """Against all 2^10 exchanges of the answers to ten rows, of a ratio of sums."""
    random = np.random.default_rng(seed)
    ours, theirs = random.random((10, 2)) + 0.2, random.random((10, 2))
    pair = [ratio_of_sums("x", list(t.T), lambda s: s[..., 0] / s[..., 1]) for t in (ours, theirs)]
    seen = abs(pair[0].value - pair[1].value)
    as_far = 0
    for signs in itertools.product((True, False), repeat=10):
        kept = np.array(signs)[:, None]
        first, second = np.where(kept, ours, theirs).sum(0), np.where(kept, theirs, ours).sum(0)
        as_far += abs(first[0] / first[1] - second[0] / second[1]) >= seen - 1e-12
    p = randomisation(pair[0], pair[1], units_for(10), 20_000, 0)
    assert p == pytest.approx(as_far / 1024, abs=0.01)


def test_randomisation_of_macro_f1_is_that_of_scikit_learn() -> None:
    truth, ours = drawn(5, 80, 0.9)
    theirs = np.where(np.arange(80) % 3 == 0, drawn(6, 80, 0.6)[1], ours)
    pair = [
        next(one for one in measured(truth, p).measures if one.name == "macro_f1")
        for p in (ours, theirs)
    ]
    random = np.random.default_rng(0)
    seen = abs(pair[0].value - pair[1].value)
    as_far = 0
    for _ in range(100):
        kept = random.random(80) < 0.5
        mixed = [np.where(kept, a, b) for a, b in ((ours, theirs), (theirs, ours))]
        f1 = [sk.f1_score(truth, m, average="macro", labels=range(4)) for m in mixed]
        as_far += abs(f1[0] - f1[1]) >= seen - 1e-12
    p = randomisation(pair[0], pair[1], units_for(80), 10_000, 0)
    assert p == pytest.approx(as_far / 100, abs=0.13)


def test_tests_hold_their_level_where_both_models_are_as_good() -> None:
    random, rejected = np.random.default_rng(0), np.zeros(2)
    for _ in range(100):
        truth = random.integers(0, 4, 120)
        pair = [np.where(random.random(120) < 0.85, truth, (truth + 1) % 4) for _ in range(2)]
        made = [measured(truth, p) for p in pair]
        f1 = [next(one for one in m.measures if one.name == "macro_f1") for m in made]
        rejected += [
            mcnemar(made[0].row_scores > 0, made[1].row_scores > 0) <= 0.05,
            randomisation(f1[0], f1[1], units_for(120), 400, 0) <= 0.05,
        ]
    assert (rejected <= 11).all(), rejected  # of 100 at 5%: above it once in 100


def test_the_test_suits_the_metric_and_the_rows() -> None:
    truth, ours = drawn(0)
    theirs = drawn(0, right=0.8)[1]
    _, by_row = compared(truth, ours, theirs)
    assert by_row["accuracy"].test == "exact McNemar test"
    assert by_row["macro_f1"].test == "approximate randomisation, 4000 repeats"
    authors = [f"author {k // 5}" for k in range(300)]
    units = units_of_rows([str(k) for k in range(300)], authors)
    comparator = Comparator("champion", None, measured(truth, theirs))
    _, by_author = compare(measured(truth, ours), [comparator], units, QUICK)
    assert {one.test for one in by_author} == {"approximate randomisation, 4000 repeats"}
    # A metric that follows from no sums is tested by its own draws.
    bare = [replace(mean_of("x", np.random.default_rng(k).random(300)), sums=None) for k in (0, 1)]
    pair = [Measured((one,), np.zeros(300), ("x",)) for one in bare]
    _, (one,) = compare(pair[0], [Comparator("champion", None, pair[1])], units_for(300), QUICK)
    assert one.test == "Bayesian bootstrap, 4000 repeats"
    assert one.p_value is not None


def test_p_values_are_corrected_over_all_rivals() -> None:
    truth, ours = drawn(0)
    comparators = [
        Comparator(name, None, measured(truth, drawn(0, right=right)[1]))
        for name, right in (("baseline", 0.8), ("champion", 0.88))
    ]
    _, comparisons = compare(measured(truth, ours), comparators, units_for(300), QUICK)
    assert len(comparisons) == 4
    told = [one.p_value for one in comparisons]
    adjusted = [one.p_adjusted for one in comparisons]
    least = told.index(min(told))  # type: ignore[type-var]
    assert adjusted[least] == pytest.approx(min(1, 4 * told[least]))  # type: ignore[operator]
    assert all(a >= p for a, p in zip(adjusted, told, strict=True))  # type: ignore[operator]


def test_margins_may_differ_by_metric() -> None:
    truth, ours = drawn(0)
    theirs = ours.copy()
    theirs[ours != truth] = truth[ours != truth]
    chosen = EvaluationSettings(repeats=4_000, margin=0.0, margins={"accuracy": 0.5})
    _, made = compared(truth, ours, theirs, chosen)
    assert [claim.margin for claim in made["accuracy"].claims] == [0.0, 0.5]
    assert made["accuracy"].claims[1].verdict is Verdict.PASS
    assert made["macro_f1"].claims[1].verdict is Verdict.FAIL
    assert "is not better than" in made["macro_f1"].claims[0].reason


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=6))
def test_holm_on_intervals_by_its_definition(members: list[tuple[int, bool]]) -> None:
    """A member with strength k is decided wherever alpha is shared by at most k."""

    def judged(index: int, share: int) -> Verdict:
        strength, good = members[index]
        if strength < share:
            return Verdict.UNDETERMINED
        return Verdict.PASS if good else Verdict.FAIL

    order = sorted(range(len(members)), key=lambda index: -members[index][0])
    decided: set[int] = set()
    for rank, index in enumerate(order):
        if members[index][0] < len(members) - rank:
            break
        decided.add(index)
    found = step_down(len(members), judged)
    assert {k for k, (v, _) in enumerate(found) if v is not Verdict.UNDETERMINED} >= decided
    for index, (verdict, share) in enumerate(found):
        assert judged(index, share) is verdict


def normal_estimate(value: float, spread: float, rows: int) -> Estimate:
    reach = 1.96 * spread / math.sqrt(rows)
    return Estimate("champion.x_gain", value, rows, ((value - reach, value + reach),) * MAX_FAMILY)


@pytest.mark.parametrize(("value", "threshold"), [(0.03, 0.0), (-0.01, -0.02), (-0.03, -0.02)])
def test_more_rows_would_settle_it(value: float, threshold: float) -> None:
    rows = 100
    more = more_rows(normal_estimate(value, 0.5, rows), threshold, 1)
    assert more is not None

    def settled(count: int) -> bool:
        low, high = normal_estimate(value, 0.5, count).ladder[0]
        return low >= threshold or high <= threshold

    assert settled(rows + more)
    assert not settled(int((rows + more) * 0.98))
    assert more_rows(normal_estimate(threshold, 0.5, rows), threshold, 1) is None
    assert more_rows(normal_estimate(threshold + 1e-6, 0.5, rows), threshold, 1) is None


def interval(low: float, value: float, high: float, rows: int = 100) -> Estimate:
    return Estimate("champion.x_gain", value, rows, ((low, high),) * MAX_FAMILY)


@pytest.mark.parametrize(
    ("made", "threshold", "expected"),
    [
        # The interval's end towards the threshold is 5 away from the value, the threshold 2.
        (interval(-3, 2, 9), 0, 525),
        (interval(-9, -2, 3), 0, 525),
        (interval(-3, 2, 9), 7, 96),
        # So near that it would settle with one more, and with none.
        (interval(-0.001, 2, 9), 0, 1),
        (interval(1, 2, 9), 0, 1),
        (interval(-3, 2, 9), 2, None),
        # Just below a thousand times the rows there are, and just above.
        (interval(2 - 31.62, 2, 9), 1, 99_883),
        (interval(2 - 31.63, 2, 9), 1, None),
    ],
)
def test_more_rows_by_their_formula(made: Estimate, threshold: float, expected: int | None) -> None:
    assert more_rows(made, threshold, 1) == (
        expected if expected is None else pytest.approx(expected, abs=1)
    )
    assert more_rows(made, threshold, MAX_FAMILY + 1) is None
    assert more_rows(replace(made, value=None), threshold, 1) is None


@pytest.mark.parametrize(
    ("low", "high", "strict", "verdict"),
    [
        (0.1, 0.2, True, Verdict.PASS), (0.0, 0.2, True, Verdict.UNDETERMINED),
        (0.0, 0.2, False, Verdict.PASS), (-0.1, 0.2, False, Verdict.UNDETERMINED),
        (-0.2, -0.1, True, Verdict.FAIL), (-0.2, 0.0, True, Verdict.UNDETERMINED),
    ],
)  # fmt: skip
def test_a_gain_of_nothing_is_no_gain_but_keeps_a_margin(
    low: float, high: float, verdict: Verdict, *, strict: bool
) -> None:
    made = interval(low, (low + high) / 2, high)
    assert _judged(made, 0.0, 1, strict=strict) is verdict
    assert _judged(made, 0.0, MAX_FAMILY, strict=strict) is verdict
    assert _judged(made, 0.0, MAX_FAMILY + 1, strict=strict) is Verdict.UNDETERMINED
    assert _judged(replace(made, value=None), 0.0, 1, strict=strict) is Verdict.UNDETERMINED


def claims_of(made: list[Estimate], p_values: list[float | None], margin: float = 0.0) -> list:
    one = mean_of("x", np.ones(3))
    whole = Measured((one,), np.ones(3), ("x",))
    pair = _Pair(Comparator("champion"), one, one, "", whole, units_for(3))
    kind = "superiority" if margin == 0 else "non-inferiority"
    count = len(made)
    return _claims(kind, [pair] * count, [Drawn(e) for e in made], [margin] * count, p_values)


def test_an_interval_and_a_test_that_disagree_claim_nothing() -> None:
    good = interval(0.1, 0.2, 0.3)
    for p, verdict in ((0.05, Verdict.PASS), (0.051, Verdict.UNDETERMINED), (None, Verdict.PASS)):
        (claim,) = claims_of([good], [p])
        assert (claim.verdict, claim.margin) == (verdict, 0.0)
        assert ("the test does not (p = 0.051)" in claim.reason) == (p == 0.051)
    (claim,) = claims_of([interval(-0.3, -0.2, -0.1)], [0.5])
    assert claim.verdict is Verdict.FAIL
    assert claim.more_rows is None


def test_a_claim_says_the_gain_and_what_it_is_of() -> None:
    seen = "gain 0.2 [0.1, 0.3] at 97.50%"
    good, open_one = interval(0.1, 0.2, 0.3), interval(-0.25, 0.25, 0.5)
    first, second = claims_of([good, open_one], [None, None])
    assert first.reason == f"the candidate is better than the champion in x: {seen}"
    assert second.reason.startswith("these rows cannot tell whether the candidate is better than")
    assert second.reason.endswith("[-0.25, 0.5] at 95.00%; about 300 more test rows would probably "
                                  "settle it")  # fmt: skip
    assert (first.more_rows, second.more_rows) == (None, 300)
    (kept,) = claims_of([interval(-0.1, 0.2, 0.3)], [None], margin=0.1)
    assert kept.verdict is Verdict.PASS
    assert "is not worse than the champion in x by more than 0.1: gain" in kept.reason
    (lost,) = claims_of([interval(-0.3, -0.25, -0.2)], [None], margin=0.1)
    assert lost.reason.startswith("the candidate is not not worse than the champion in x by more")
    many = claims_of([good] * (MAX_FAMILY + 1), [None] * (MAX_FAMILY + 1))
    assert {claim.verdict for claim in many} == {Verdict.UNDETERMINED}
    assert "21 claims are more than intervals are made for" in many[0].reason


def test_a_comparator_without_the_metric_says_so() -> None:
    truth, ours = drawn(0)
    other = replace(measured(truth, ours), measures=measured(truth, ours).measures[:1])
    made, comparisons = compare(
        measured(truth, ours), [Comparator("champion", None, other)], units_for(300), QUICK
    )
    by_name = {one.name: one for one in made}
    assert by_name["champion.macro_f1"].reason == "the champion has no macro_f1"
    assert by_name["champion.macro_f1_gain"].reason == "the champion has no macro_f1"
    assert by_name["champion.macro_f1"].n == 300
    assert by_name["champion.accuracy_gain"].value == 0
    assert [one.metric for one in comparisons] == ["macro_f1", "accuracy"]


def test_a_share_of_right_rows_alone_is_tested_by_its_rows() -> None:
    right = np.repeat([1.0, 0.0], [200, 100])
    one = mean_of("x", right)
    told = Measured((one,), right, ("x",))
    assert _is_share(one, told)
    assert not _is_share(replace(one, closed_form=()), told)
    assert not _is_share(replace(one, rests_on=300), told)
    assert not _is_share(one, replace(told, row_scores=right / 2))
    assert not _is_share(one, replace(told, row_scores=1 - right))


def test_the_p_value_of_randomisation_counts_the_answers_as_they_are() -> None:
    ours, theirs = (
        ratio_of_sums("x", [one, np.ones(300)], lambda of: of[..., 0] / of[..., 1])
        for one in (np.ones(300), np.zeros(300))
    )
    assert randomisation(ours, theirs, units_for(300), 99, 0) == 1 / 100
    assert randomisation(ours, ours, units_for(300), 99, 0) == 1
    undefined = ratio_of_sums("x", [np.ones(9), np.zeros(9)], lambda of: of[..., 0] / of[..., 1])
    assert randomisation(undefined, undefined, units_for(9), 99, 0) == 1


def test_two_models_that_are_never_right_apart_are_as_good() -> None:
    assert mcnemar([True, False], [True, False]) == 1
    assert mcnemar([True] * 6, [False] * 6) == pytest.approx(2 / 2**6)
    assert mcnemar([False] * 6, [True] * 6) == pytest.approx(2 / 2**6)


def ratio(ours: Measure, theirs: Measure) -> Estimate:
    return draw([ratio_of("champion", ours, theirs, units_for(ours.rows))], 4_000, 0)[0].estimate


def test_a_ratio_is_drawn_pairwise() -> None:
    """Against Fieller's interval of a ratio of paired means (1954), which many rows agree on."""
    random = np.random.default_rng(3)
    theirs = random.random(2_000)
    ours = np.clip(0.9 * theirs + random.normal(0, 0.05, 2_000), 0, 1)
    made = ratio(mean_of("x", ours), mean_of("x", theirs))
    covariance, mean = np.cov(ours, theirs) / 2_000, (ours.mean(), theirs.mean())
    t = 1.959964
    a = mean[1] ** 2 - t**2 * covariance[1, 1]
    b = -2 * (mean[0] * mean[1] - t**2 * covariance[0, 1])
    c = mean[0] ** 2 - t**2 * covariance[0, 0]
    ends = sorted(np.roots([a, b, c]).tolist())
    assert made.value == pytest.approx(mean[0] / mean[1])
    # Pseudo-rows stretch it by one row of 2,000 at either end, the models apart.
    assert [made.low, made.high] == pytest.approx(ends, abs=2e-3)
    assert made.low < ends[0] < ends[1] < made.high


@pytest.mark.parametrize("greater_is_better", [True, False])
def test_a_ratio_is_no_kinder_where_less_is_better(*, greater_is_better: bool) -> None:
    """Pseudo-rows pull each end outwards on either side: equal models are not told apart."""
    scores = np.full(60, 0.5)
    one = mean_of("x", scores, greater_is_better=greater_is_better)
    made = ratio(one, one)
    assert made.value == 1
    assert made.low < 0.99
    assert made.high > 1.01
    assert made.low == pytest.approx(1 / made.high, rel=0.03)


@pytest.mark.parametrize(
    ("theirs", "told"), [(np.full(60, -0.5), False), (np.zeros(60), False), (np.ones(60), True)]
)
def test_a_ratio_to_what_is_not_above_nothing_is_undetermined(
    theirs: NDArray[np.float64], *, told: bool
) -> None:
    made = ratio(mean_of("x", np.full(60, 0.5), low=-1), mean_of("x", theirs, low=-1))
    assert (made.value is not None) == told
    assert told or "must be above 0 for a ratio" in made.reason


def test_a_ratio_to_what_may_be_nothing_is_undetermined() -> None:
    random = np.random.default_rng(0)
    near = random.normal(0.01, 0.5, 200).clip(-1, 1)
    near += 0.01 - near.mean()
    made = ratio(mean_of("x", np.full(200, 0.5), low=-1), mean_of("x", near, low=-1))
    assert made.value is None
    assert "is not defined in" in made.reason


def test_some_rows_are_compared_as_if_there_were_no_others() -> None:
    truth, ours = drawn(0)
    theirs = drawn(1)[1]
    kept = np.arange(len(truth)) % 3 > 0
    few = int(kept.sum())
    shared = Shared(kept, measured(truth[kept], ours[kept]), units_for(few))
    some = Comparator("champion", None, measured(truth[kept], theirs[kept]), shared=shared)
    whole = Comparator("baseline", None, measured(truth, theirs))
    made, comparisons = compare(measured(truth, ours), [whole, some], units_for(len(truth)), QUICK)
    alone, _ = compared(truth[kept], ours[kept], theirs[kept])
    by_name = {e.name: e for e in made}
    assert all(by_name[name] == estimate for name, estimate in alone.items())
    hits = (ours == truth)[kept].mean()
    assert by_name["champion.candidate.accuracy"].value == pytest.approx(hits)
    assert {(c.comparator, c.gain.n) for c in comparisons} == {
        ("baseline", len(truth)), ("champion", few),
    }  # fmt: skip
