"""Measures of representation, against other libraries, by hand and by brute force."""

import math

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon, minkowski
from scipy.stats import entropy, ks_2samp

from tasks.representation import measures
from tasks.representation.cooccurrence import Facet
from tasks.representation.measurement import measure_group

counts = st.lists(st.integers(0, 40), min_size=2, max_size=6)
# For each stratum, rows of the group and of the rest by label.
tables = st.integers(2, 4).flatmap(
    lambda labels: st.lists(
        st.tuples(*[st.lists(st.integers(0, 9), min_size=labels, max_size=labels)] * 2),
        min_size=1,
        max_size=3,
    )
)


def shares(values: list[int]) -> np.ndarray:
    return np.array(values) / sum(values)


def facet(table: list[list[int]]) -> Facet:
    """Rows of each stratum by label, with an empty stratum for rows that have none."""
    with_label = np.array([*table, [0] * len(table[0])])
    return Facet(with_label.sum(axis=1), with_label)


# Two strata, labels bad, fair, good. The numbers are what smclarify 0.5, the library behind
# SageMaker Clarify, gives for these rows.
GROUP = facet([[8, 4, 2], [3, 1, 2]])
REST = facet([[5, 9, 7], [6, 6, 17]])
DISTANCES = {
    "class_imbalance": 0.42857142857142855,
    "kl_divergence": 0.27333749995574413,
    "js_divergence": 0.06736469858695684,
    "lp_norm": 0.43566041821583934,
    "total_variation": 0.33,
    "kolmogorov_smirnov": 0.33000000000000007,
}


@pytest.mark.parametrize(
    ("label", "difference", "disparity"),
    [
        (0, -0.33000000000000007, -0.28030303030303033),
        (1, 0.04999999999999999, 0.09128371628371629),
        (2, 0.27999999999999997, 0.19202654071075126),
    ],
)
def test_the_measures_are_those_of_clarify(label: int, difference: float, disparity: float) -> None:
    found = measure_group(GROUP, REST, label, exclusive=True)
    expected = DISTANCES | {
        "difference_in_proportions": difference,
        "conditional_demographic_disparity": disparity,
    }
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_measures_of_labels_that_may_come_together_are_those_worked_out_by_hand() -> None:
    """Of 20 rows of the group 11 have the label, of 50 others 11."""
    found = measure_group(GROUP, REST, 0, exclusive=False)
    assert found["total_variation"] == pytest.approx(11 / 20 - 11 / 50)
    assert found["kolmogorov_smirnov"] == pytest.approx(0.33)
    assert found["lp_norm"] == pytest.approx(0.33 * math.sqrt(2))
    expected = 0.22 * math.log(0.22 / 0.55) + 0.78 * math.log(0.78 / 0.45)
    assert found["kl_divergence"] == pytest.approx(expected)


@given(counts, st.data())
def test_distances_are_those_of_scipy(group: list[int], data: st.DataObject) -> None:
    rest = data.draw(st.lists(st.integers(0, 40), min_size=len(group), max_size=len(group)))
    assume(sum(group) and sum(rest))
    d, a = shares(group), shares(rest)
    with np.errstate(divide="ignore"):
        assert measures.kl_divergence(d, a) == pytest.approx(float(entropy(a, d)), abs=1e-12)
    assert measures.js_divergence(d, a) == pytest.approx(float(jensenshannon(a, d)) ** 2, abs=1e-9)
    assert measures.lp_norm(d, a) == pytest.approx(float(minkowski(a, d, 2)))
    assert measures.total_variation(d, a) == pytest.approx(float(minkowski(a, d, 1)) / 2)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_with_two_labels_the_distance_is_that_of_kolmogorov_and_smirnov(
    d0: int, d1: int, a0: int, a1: int
) -> None:
    assume(d0 + d1 and a0 + a1)
    found = measures.kolmogorov_smirnov(shares([d0, d1]), shares([a0, a1]))
    samples = ([0] * d0 + [1] * d1, [0] * a0 + [1] * a1)
    assert found == pytest.approx(float(ks_2samp(*samples).statistic))


@settings(max_examples=20)
@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.integers(1, 30))
def test_the_difference_in_proportions_is_that_of_fairlearn(
    with_d: int, more_d: int, with_a: int, more_a: int
) -> None:
    rows_d, rows_a = with_d + more_d, with_a + more_a
    labels = [1] * with_d + [0] * more_d + [1] * with_a + [0] * more_a
    expected = demographic_parity_difference(
        labels, labels, sensitive_features=["d"] * rows_d + ["a"] * rows_a
    )
    found = measures.difference_in_proportions(with_d, rows_d, with_a, rows_a)
    assert abs(found) == pytest.approx(expected)
    assert measures.difference_in_proportions(with_a, rows_a, with_d, rows_d) == -found


@given(tables)
def test_conditional_disparity_is_that_of_brute_force(
    table: list[tuple[list[int], list[int]]],
) -> None:
    group, rest = (facet([stratum[side] for stratum in table]) for side in (0, 1))
    both = group + rest
    found = measures.conditional_demographic_disparity(
        group.with_label[:, 0], group.rows, both.with_label[:, 0], both.rows
    )
    told, weight = 0.0, 0
    for of_group, of_rest in table:
        rows = [("d", label == 0) for label, n in enumerate(of_group) for _ in range(n)]
        rows += [("a", label == 0) for label, n in enumerate(of_rest) for _ in range(n)]
        having = [who for who, has in rows if has]
        lacking = [who for who, has in rows if not has]
        if having and lacking:
            share = lacking.count("d") / len(lacking) - having.count("d") / len(having)
            told, weight = told + len(rows) * share, weight + len(rows)
    if weight:
        assert found == pytest.approx(told / weight, abs=1e-12)
    else:
        assert math.isnan(found)


def test_conditioning_undoes_what_the_strata_explain() -> None:
    """Berkeley's admissions in small: each department treats both alike, and all of it does not."""
    group, rest = facet([[10, 90], [80, 20]]), facet([[1, 9], [800, 200]])
    found = measure_group(group, rest, 0, exclusive=True)
    assert found["conditional_demographic_disparity"] == pytest.approx(0)
    assert found["difference_in_proportions"] > 0.3


@given(tables, st.integers(2, 7))
def test_no_measure_depends_on_how_many_copies_there_are(
    table: list[tuple[list[int], list[int]]], copies: int
) -> None:
    group, rest = (facet([stratum[side] for stratum in table]) for side in (0, 1))
    assume(group.rows.sum() and rest.rows.sum())
    many = [Facet(one.rows * copies, one.with_label * copies) for one in (group, rest)]
    found = measure_group(group, rest, 0, exclusive=True)
    assert measure_group(*many, 0, exclusive=True) == pytest.approx(found, abs=1e-9)


@given(tables)
def test_a_group_that_is_like_the_rest_has_no_distance_to_it(
    table: list[tuple[list[int], list[int]]],
) -> None:
    group = facet([stratum[0] for stratum in table])
    assume(group.rows.sum())
    found = measure_group(group, group, 0, exclusive=True)
    assert list(found.values()) == pytest.approx([0] * len(found), abs=1e-12)


@given(tables)
def test_distances_keep_their_bounds_and_their_order(
    table: list[tuple[list[int], list[int]]],
) -> None:
    group, rest = (facet([stratum[side] for stratum in table]) for side in (0, 1))
    assume(group.rows.sum() and rest.rows.sum())
    found = measure_group(group, rest, 0, exclusive=True)
    total = found["total_variation"]
    assert abs(found["difference_in_proportions"]) <= found["kolmogorov_smirnov"] + 1e-12
    assert found["kolmogorov_smirnov"] <= total + 1e-12 <= 1 + 1e-9
    assert found["js_divergence"] <= math.log(2) * total + 1e-9
    if "kl_divergence" in found:  # Pinsker
        assert 2 * total**2 <= found["kl_divergence"] + 1e-9


def test_a_measure_that_is_undefined_is_left_out() -> None:
    group, rest = facet([[5, 0]]), facet([[3, 4]])
    assert "kl_divergence" not in measure_group(group, rest, 0, exclusive=True)
    assert "kl_divergence" in measure_group(rest, group, 0, exclusive=True)
    everyone_has_it = measure_group(facet([[5, 0]]), facet([[3, 0]]), 0, exclusive=True)
    assert "conditional_demographic_disparity" not in everyone_has_it


def test_imbalance_runs_from_one_to_minus_one() -> None:
    assert measures.class_imbalance(0, 10) == 1
    assert measures.class_imbalance(5, 5) == 0
    assert measures.class_imbalance(3, 1) == -0.5
