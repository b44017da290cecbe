import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, kstest

from tasks.drift.labels import (
    _traces,
    chi_square_p,
    count_labels,
    divergence_of,
    label_shares,
    label_table,
    least_expected,
    measure_labels,
)
from tasks.drift.measurement import Measurement, Question
from tasks.drift.permutations import Permutations
from tasks.drift.row_samples import Labels, RowSample, SampledRow
from tasks.drift.words import permute_shares, squared_distance
from tests.unit.drift.made_samples import made_row, made_side

ASKED = Question("drift.label_shares", "distance", 0.1)
COUNTS = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), min_size=2, max_size=6)


def rows_of(labels: list[Labels], seed: int) -> list[SampledRow]:
    random = np.random.default_rng(seed)
    return [made_row(random, f"text {place}", one) for place, one in enumerate(labels)]


def measure(before: RowSample, now: RowSample) -> Measurement:
    return measure_labels(ASKED, before, now, Permutations(999, 0))


@given(COUNTS)
def test_without_kept_rows_the_p_value_is_that_of_scipy(counts: list[tuple[int, int]]) -> None:
    table = np.array(counts).T
    expected = chi2_contingency(table, correction=False).pvalue
    assert chi_square_p(table, kept=0) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(("went", "stayed", "came"), [(60, 200, 90), (0, 300, 100)])
def test_with_kept_rows_the_p_value_is_uniform_without_drift(
    went: int, stayed: int, came: int
) -> None:
    random = np.random.default_rng(0)
    shares, p_values = [0.2, 0.3, 0.5], []
    for _ in range(1_500):
        first, both, last = (random.multinomial(rows, shares) for rows in (went, stayed, came))
        p_values.append(chi_square_p(np.array([first + both, both + last]), stayed))
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_the_same_rows_have_the_same_shares() -> None:
    side = made_side(rows_of([("a",)] * 40 + [("b",)] * 60, 0))
    found = measure(side, side)
    assert found.answer == (0.0, 1.0)
    assert label_shares(side, side) == {"a": (0.4, 0.4), "b": (0.6, 0.6)}


def test_the_effect_is_the_root_of_the_divergence_by_hand() -> None:
    before = made_side(rows_of([("a",)] * 50 + [("b",)] * 50, 0))
    now = made_side(rows_of([("a",)] * 20 + [("b",)] * 80, 1))
    p, q = np.array([0.5, 0.5]), np.array([0.2, 0.8])
    middle = (p + q) / 2
    divergence = (p * np.log2(p / middle)).sum() / 2 + (q * np.log2(q / middle)).sum() / 2
    # What chance alone gives, of two labels and a hundred rows a side.
    chance = ((p * (1 - p) + q * (1 - q)) / 100 / middle).sum() / (8 * np.log(2))
    found = measure(before, now)
    assert found.answer is not None
    assert found.answer[0] == pytest.approx((divergence - chance) ** 0.5, abs=1e-6)
    assert found.test == "chi-square"
    assert found.rows == (100, 100)


def test_relabelled_rows_went_and_came() -> None:
    rows = rows_of([("a",)] * 200 + [("b",)] * 200, 0)
    relabelled = [row._replace(labels=("b",)) if k < 40 else row for k, row in enumerate(rows)]
    found = measure(made_side(rows), made_side(relabelled))
    assert found.answer is not None
    assert found.answer[1] < 1e-3


def test_a_rare_label_is_judged_by_permutation() -> None:
    before = made_side(rows_of([("a",)] * 97 + [("b",)] * 3, 0))
    now = made_side(rows_of([("a",)] * 98 + [("b",)] * 2, 1))
    assert least_expected(count_labels(before, now), kept=0) == 2.5
    found = measure(before, now)
    assert found.test == "999 permutations of rows"
    assert found.answer is not None
    # As likely as not: (3, 2) or (2, 3) is what most permutations give.
    assert found.answer[1] > 0.9


def test_the_expected_counts_are_of_rows_that_changed_sides() -> None:
    counts = np.array([[50, 50], [60, 60]])
    assert least_expected(counts, kept=0) == 50
    assert least_expected(counts, kept=100) == 10
    assert least_expected(counts, kept=96) == 2
    assert least_expected(counts, kept=2) == 49


@pytest.mark.parametrize(("went", "stayed", "came"), [(300, 0, 400), (100, 300, 200)])
def test_what_is_reckoned_of_chance_is_what_permutations_give(
    went: int, stayed: int, came: int
) -> None:
    random = np.random.default_rng(0)
    labels: list[Labels] = [(str(one),) for one in random.choice(4, went + stayed + came)]
    rows = rows_of(labels, 0)
    before, now = made_side(rows[: went + stayed]), made_side(rows[went:])
    both = [row.labels[0] for row in rows[went : went + stayed]]
    kept = np.array([both.count(label) for label in "0123"])
    reckoned = divergence_of(count_labels(before, now), kept)
    table, membership = label_table(before, now)
    dealt = squared_distance(
        table, membership, permute_shares(table, membership, Permutations(4_000, 0), "x")
    )
    assert reckoned.value == pytest.approx(dealt.value, abs=2e-4)
    assert reckoned.null_variance == pytest.approx(dealt.null_variance, rel=0.15)
    if not stayed:
        assert reckoned.linear_variance == pytest.approx(dealt.linear_variance, rel=0.01)


@pytest.mark.parametrize("kept", [(0, 0, 0), (40, 0, 30), (140, 3, 0)])
def test_the_traces_are_those_of_the_covariance_of_all_rows(kept: tuple[int, int, int]) -> None:
    counts, same = np.array([[150, 30, 60], [140, 50, 130]]), np.array(kept)
    n, m = counts.sum(axis=1)
    shares, middle = counts / [[n], [m]], counts.sum(axis=0) / (n + m)
    before, now = -(np.eye(3) - shares[0]) / n, (np.eye(3) - shares[1]) / m  # (label, error)
    errors = [
        *np.repeat(before, counts[0] - same, axis=0),
        *np.repeat(now, counts[1] - same, axis=0),
        *np.repeat(before + now, same, axis=0),
    ] / middle**0.5
    covariance = np.transpose(errors) @ errors
    trace, of_square = _traces(counts, same)
    assert trace == pytest.approx(np.trace(covariance))
    assert of_square == pytest.approx(np.trace(covariance @ covariance))


def test_without_drift_and_kept_rows_the_traces_are_those_of_a_chi_square() -> None:
    counts = np.array([[200, 300, 500], [400, 600, 1000]])
    factor = 1 / 1000 + 1 / 2000
    assert _traces(counts, np.zeros(3, np.int64)) == pytest.approx((2 * factor, 2 * factor**2))


def test_kept_rows_that_hardly_differ_leave_the_variance_of_the_new_ones() -> None:
    labels: list[Labels] = [("a",)] * 730 + [("b",)] * 20
    kept = rows_of(labels, 0)
    went = rows_of([("a",)] * 245 + [("b",)] * 5, 1)
    came = rows_of([("a",)] * 225 + [("b",)] * 25, 2)
    found = measure(made_side([*kept, *went]), made_side([*kept, *came]))
    assert found.interval is not None
    counts, same = np.array([[975, 25], [955, 45]]), np.array([730, 20])
    low, high = divergence_of(counts, same).roots()
    assert found.interval == pytest.approx((low, high), abs=1e-6)
    # As if the kept rows were like all others, the interval would be narrower.
    alike = divergence_of(counts, np.array([725, 25]))
    assert divergence_of(counts, same).null_variance > 1.1 * alike.null_variance


def test_labels_of_few_authors_are_not_told() -> None:
    rows = [
        row._replace(cluster=f"author {place % 8}")
        for place, row in enumerate(rows_of([("a",), ("b",)] * 60, 0))
    ]
    found = measure(made_side(rows[:60]), made_side(rows[60:]))
    assert found.answer is None
    assert found.reason == "8 and 8 clusters; either side needs 10"


def test_rows_of_several_labels_are_judged_by_permutation() -> None:
    labels: list[Labels] = [("x", "y"), ("x",), ("(none)",)]
    before = made_side(rows_of(labels * 30, 0))
    same, other = (made_side(rows_of(mix * 30, 1)) for mix in (labels, [("y",), *labels[:2]]))
    alike, apart = measure(before, same), measure(before, other)
    assert alike.test == apart.test == "999 permutations of rows"
    assert alike.answer == (0.0, 1.0)
    assert apart.answer is not None
    assert apart.answer[1] == 0.001


@pytest.mark.parametrize("labels", [[()] * 60, [("a",)] * 60])
def test_shares_of_no_label_or_of_one_cannot_be_told(labels: list[Labels]) -> None:
    found = measure(made_side(rows_of(labels, 0)), made_side(rows_of([("a",)] * 60, 1)))
    assert found.answer is None
    assert found.reason in {
        "the rows of before have no column of such labels",
        "all rows bear one and the same label",
    }
