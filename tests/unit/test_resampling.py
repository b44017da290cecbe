"""The resampling engine against closed forms, brute force, and the truth that it must cover."""

import itertools
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from tasks import resampling
from tasks.resampling import (
    MAX_UNDEFINED_SHARE,
    TAILS,
    Floats,
    Largest,
    collapse,
    draw_weights,
    estimate_from_draws,
    estimate_of_proportion,
    exact_ladder,
    generator,
    holm,
    negated,
    resample,
    tail_quantiles,
    two_sided_p,
)
from tasks.verdicts import MAX_FAMILY, Estimate


@given(
    hnp.arrays(
        np.int64, st.tuples(st.integers(0, 40), st.integers(1, 4)), elements=st.integers(0, 9)
    )
)
def test_collapsing_counts_every_row_once(rows: np.ndarray) -> None:
    cells = collapse(list(rows.T))
    found = dict(
        zip(zip(*(c.tolist() for c in cells.columns), strict=True), cells.counts, strict=True)
    )
    assert found == Counter(map(tuple, rows.tolist()))


@given(
    hnp.arrays(np.int64, st.tuples(st.integers(1, 40), st.just(2)), elements=st.integers(0, 10**9))
)
def test_collapsing_a_wide_space_sorts_instead(rows: np.ndarray) -> None:
    cells = collapse(list(rows.T))
    expected, counts = np.unique(rows, axis=0, return_counts=True)
    assert np.array_equal(np.stack(cells.columns, axis=1), expected)
    assert np.array_equal(cells.counts, counts)


def test_columns_that_hold_one_value_cost_no_room() -> None:
    cells = collapse([np.zeros(3, dtype=np.int64)] * 45)
    assert cells.counts.tolist() == [3]


def test_what_cannot_be_numbered_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 up"):
        collapse([np.array([-1])])
    with pytest.raises(ValueError, match="too many combinations"):
        collapse([np.array([2**40])] * 2)


def test_draws_come_from_the_seed_and_the_name_alone() -> None:
    masses = np.array([3.0, 5.0])

    def draw(seed: int, name: str) -> np.ndarray:
        return resample(masses, lambda w: w[:, 0], 10, generator(seed, name))

    assert np.array_equal(draw(1, "a"), draw(1, "a"))
    assert not np.array_equal(draw(1, "a"), draw(1, "b"))
    assert not np.array_equal(draw(1, "a"), draw(2, "a"))


def test_chunks_bound_the_memory_and_do_not_change_the_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    masses = np.arange(7.0)
    whole = np.concatenate(list(draw_weights(masses, 100, generator(0, "x"))))
    monkeypatch.setattr(resampling, "CHUNK_WEIGHTS", 21)
    chunks = list(draw_weights(masses, 100, generator(0, "x")))
    assert max(len(chunk) for chunk in chunks) == 3
    assert np.array_equal(np.concatenate(chunks), whole)


@pytest.mark.parametrize(("hits", "rows"), [(0, 12), (12, 12), (5, 12), (300, 624)])
def test_draws_of_a_share_with_one_pseudo_row_are_jeffreys_betas(hits: int, rows: int) -> None:
    masses = np.array([hits + 0.5, rows - hits + 0.5])
    draws = resample(masses, lambda w: w[:, 0] / w.sum(axis=1), 200_000, generator(0, "x"))
    drawn = estimate_from_draws("quality.x", hits / rows, draws, rows)
    beta = stats.beta(hits + 0.5, rows - hits + 0.5)
    for (low, high), tail in zip(drawn.ladder, TAILS, strict=True):
        if 0 < hits < rows:
            assert (low, high) == pytest.approx((beta.ppf(tail), beta.ppf(1 - tail)), abs=0.01)


@given(st.integers(1, 400).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_the_exact_interval_is_that_of_scipy(share: tuple[int, int]) -> None:
    hits, rows = share
    for (low, high), tail in zip(exact_ladder(hits, rows), TAILS, strict=True):
        other = stats.binomtest(hits, rows).proportion_ci(1 - 2 * tail, method="exact")
        assert (low, high) == pytest.approx((other.low, other.high), abs=1e-9)


@pytest.mark.parametrize("truth", [0.003, 0.012, 0.05, 0.3])
def test_either_end_of_the_exact_interval_is_passed_no_oftener_than_said(truth: float) -> None:
    """By the probabilities of every count of hits; Jeffreys' upper end is passed in 8% at 0.012."""
    rows = 209
    chances = stats.binom(rows, truth).pmf(np.arange(rows + 1))
    ends = np.array([exact_ladder(hits, rows)[0] for hits in range(rows + 1)])
    assert chances[ends[:, 1] < truth].sum() <= 0.025
    assert chances[ends[:, 0] > truth].sum() <= 0.025


def test_all_right_is_not_certainty() -> None:
    """A plain bootstrap of 30 right rows says [1, 1]."""
    estimate = estimate_of_proportion("quality.accuracy", 30, 30)
    assert estimate.value == 1
    assert estimate.low == pytest.approx(0.884, abs=0.001)
    assert estimate.high == 1
    assert estimate_of_proportion("quality.accuracy", 0, 0).value is None


def test_a_share_says_its_rows_and_how_its_interval_was_made() -> None:
    estimate = estimate_of_proportion("quality.accuracy", 3, 12)
    assert (estimate.name, estimate.value, estimate.n) == ("quality.accuracy", 0.25, 12)
    assert estimate.ladder == exact_ladder(3, 12)
    assert estimate.method == "exact binomial (Clopper-Pearson)"
    nothing = estimate_of_proportion("quality.accuracy", 0, 0)
    assert (nothing.name, nothing.n, nothing.reason) == (
        "quality.accuracy", 0, "it rests on no rows",
    )  # fmt: skip


@given(hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(-5, 5)), st.floats(-6, 6))
def test_intervals_nest_and_hold_the_value(draws: np.ndarray, value: float) -> None:
    estimate = estimate_from_draws("a.b", value, draws, 1)
    assert len(estimate.ladder) == MAX_FAMILY
    for (low, high), (wider_low, wider_high) in itertools.pairwise(estimate.ladder):
        assert wider_low <= low <= value <= high <= wider_high


def test_tails_hold_their_share_of_the_draws() -> None:
    draws = np.random.default_rng(0).permutation(10_000.0 + np.arange(10_000))
    lows, highs = tail_quantiles(draws)
    beyond = np.array([(draws < low).sum() for low in lows])
    assert np.array_equal(beyond, np.floor(TAILS * 9_999))
    assert np.array_equal(beyond, [(draws > high).sum() for high in highs])
    assert beyond[-1] == 12


def test_undefined_draws_widen_and_too_many_leave_it_undetermined() -> None:
    draws = np.linspace(0, 1, 10_000)
    few, many = draws.copy(), draws.copy()
    few[5_000:5_008] = np.nan
    many[5_000 : 5_000 + int(10_000 * MAX_UNDEFINED_SHARE) + 1] = np.nan
    plain = estimate_from_draws("a.b", 0.5, draws, 9)
    widened = estimate_from_draws("a.b", 0.5, few, 9)
    assert widened.ladder[-1][0] < plain.ladder[-1][0]
    assert widened.ladder[-1][1] > plain.ladder[-1][1]
    assert np.isfinite(widened.ladder).all()
    assert "not defined in 0.1%" in estimate_from_draws("a.b", 0.5, many, 9).reason
    assert estimate_from_draws("a.b", float("nan"), draws, 9).value is None


def estimate_of_largest(
    blocks: Sequence[tuple[Floats, Floats]], floor: float | None = None
) -> Estimate:
    largest = Largest()
    for values, draws in blocks:
        largest.add(values, draws)
    return largest.estimate("a.b", 9, floor=floor)


def test_the_largest_of_one_is_the_percentile_upper_end() -> None:
    draws = generator(0, "x").normal(0.3, 0.1, 5_000)
    alone = estimate_from_draws("a.b", 0.3, draws, 9)
    largest = estimate_of_largest([(np.array([0.3]), draws[:, None])])
    assert [high for _, high in largest.ladder] == [high for _, high in alone.ladder]


def test_blocks_or_one_array_give_the_same() -> None:
    values, draws = np.array([0.1, 0.3]), generator(0, "x").normal([0.1, 0.3], 0.1, (5_000, 2))
    whole = estimate_of_largest([(values, draws)])
    parts = [(values[[k]], draws[:, [k]]) for k in range(2)]
    # The sums of a column and of a row-major array differ in their last bit.
    assert np.array(estimate_of_largest(parts).ladder) == pytest.approx(np.array(whole.ladder))


def test_the_largest_fails_closed() -> None:
    draws = np.ones((5_000, 1))
    assert estimate_of_largest([]).value is None
    assert estimate_of_largest([(np.array([np.nan]), draws)]).value is None


def test_the_largest_of_many_covers_the_truth_where_percentiles_do_not() -> None:
    """Eight equal quantities: the largest seen lies above the truth, and its percentiles too."""
    random, truth, covered, by_percentile = np.random.default_rng(0), np.full(8, 0.2), 0, 0
    for _ in range(200):
        values = random.normal(truth, 0.05)
        draws = random.normal(values, 0.05, size=(1_000, 8))
        estimate = estimate_of_largest([(values, draws)])
        low, high = estimate.ladder[0]
        covered += low <= 0.2 <= high
        by_percentile += np.quantile(draws.max(axis=1), 0.025) <= 0.2
    assert covered >= 190
    assert by_percentile < 100


# Quantities that are all below 0, all above it, on both sides of it, and one that never moves:
# with both signs, the largest is the negative of the last one, the first one, and so on.
SIGNED = [(-0.1, -0.3, -0.5), (0.5, 0.3, 0.1), (0.2, -0.1, -0.4), (-0.2, 0.1, 0.4), (0.0, 0.0)]


def by_definition(values: np.ndarray, draws: np.ndarray) -> list[tuple[float, float]]:
    """Upper ends: the largest of each quantity's own. Lower ends: the largest simultaneous ones."""
    spread, last = draws.std(axis=0), len(draws) - 1
    moves = [(draws[:, k] - values[k]) / spread[k] for k in range(len(values)) if spread[k] > 0]
    deviation = np.sort(np.max(moves, axis=0)) if moves else np.zeros(len(draws))
    ends = []
    for tail in TAILS:
        place = int(np.ceil(last * (1 - tail)))
        low = max(v - deviation[place] * s for v, s in zip(values, spread, strict=True))
        ends.append((min(low, values.max()), np.sort(draws, axis=0)[place].max()))
    return ends


@pytest.mark.parametrize("values", SIGNED)
def test_the_ends_of_the_largest_are_those_of_its_definition(values: tuple[float, ...]) -> None:
    at, random = np.array(values), generator(0, "x")
    # Each quantity spreads in its own way, to one side more than to the other.
    draws = at + np.where(at == 0, 0.0, 0.3 * at + 0.2) * (random.gamma(2, 0.5, (400, len(at))) - 1)
    for both_signs in (True, False):
        largest = Largest()
        largest.add(at, draws, both_signs=both_signs)
        found = largest.estimate("a.b", 9)
        all_values = np.concatenate([at, -at]) if both_signs else at
        all_draws = np.concatenate([draws, -draws], axis=1) if both_signs else draws
        assert found.value == all_values.max()
        assert np.array(found.ladder) == pytest.approx(
            np.array(by_definition(all_values, all_draws)), abs=1e-12
        )
        assert (found.name, found.n, found.method) == ("a.b", 9, "Bayesian bootstrap, 400 repeats")
        floored = largest.estimate("a.b", 9, floor=0.0).ladder
        assert floored == tuple(
            (min(max(low, 0.0), found.value), high) for low, high in found.ladder
        )


def test_a_quantity_without_values_or_draws_leaves_the_largest_undefined_for_good() -> None:
    good = (np.array([0.1, 0.2]), np.full((100, 2), 0.1))
    gaps = [np.array([0.1, np.nan]), np.array([[0.1, 0.1]] * 99 + [[0.1, np.inf]])]
    for bad in ((gaps[0], good[1]), (good[0], gaps[1])):
        for blocks in ([bad, good], [good, bad]):
            found = estimate_of_largest(blocks)
            assert (found.name, found.value, found.n) == ("a.b", None, 9)
            assert found.reason == "a rate that it compares is not defined over these rows"
    nothing = estimate_of_largest([(np.zeros(0), np.zeros((100, 0)))])
    assert (nothing.name, nothing.value, nothing.n) == ("a.b", None, 9)
    assert nothing.reason == "there is nothing to compare"
    assert estimate_of_largest([good], floor=0.15).ladder[0][0] == 0.2


def test_the_negative_mirrors() -> None:
    draws = generator(0, "x").normal(0.3, 0.1, (5_000, 1))
    largest = estimate_of_largest([(np.array([0.3]), draws)])
    estimate = negated(largest)
    assert estimate.value == -0.3
    assert estimate.ladder == tuple((-high, -low) for low, high in largest.ladder)
    assert (estimate.name, estimate.n, estimate.method) == ("a.b", 9, largest.method)
    nothing = estimate_of_largest([])
    assert negated(nothing) is nothing


@given(st.lists(st.floats(0, 1), max_size=7))
def test_holm_by_its_definition(p_values: list[float]) -> None:
    """Adjusted p is the least level at which the step-down procedure rejects (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for place, index in enumerate(order):
        steps = [(len(order) - rank) * p_values[order[rank]] for rank in range(place + 1)]
        assert holm(p_values)[index] == min(1.0, max(steps))


def test_holm_of_a_published_example() -> None:
    """The values of R's p.adjust(c(0.01, 0.02, 0.03, 0.04), "holm")."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_p_is_the_share_beyond_zero_doubled() -> None:
    draws = np.concatenate([np.full(9, -1.0), np.full(990, 1.0)])
    assert two_sided_p(draws) == pytest.approx(2 * 10 / 1000)
    assert two_sided_p(np.zeros(10)) == 1
    assert two_sided_p(np.full(999, np.nan)) == 1
    assert two_sided_p(np.ones(999)) == pytest.approx(0.002)


def test_a_million_rows_cost_no_more_than_their_counts() -> None:
    """Row by row it would be minutes of processor time, and not a tenth of a second."""
    random = np.random.default_rng(0)
    group, truth, predicted = (random.integers(0, k, 1_000_000) for k in (20, 2, 2))
    times = []
    for _ in range(3):
        start = time.process_time()
        cells = collapse([group, truth, predicted])
        resample(cells.counts.astype(float), lambda w: w.sum(axis=1), 1_000, generator(0, "x"))
        times.append(time.process_time() - start)
    assert len(cells.counts) == 80
    assert min(times) < 10
