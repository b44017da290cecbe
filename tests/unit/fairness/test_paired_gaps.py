"""Gains of gaps by the same draws: by brute force over rows, and beside those not paired."""

from itertools import permutations

import numpy as np
import pytest

from tasks.fairness.gap_gains import gap_gains, gaps_without
from tasks.fairness.paired_gaps import least_over, paired_gains
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling import Floats, Ints
from tasks.resampling_units import Units
from tasks.verdicts import MAX_FAMILY, Estimate

QUICK = FairnessSettings(repeats=4_000)
LABELS = ("no", "yes")
ROWS = 1_200


def answers(seed: int = 0, rows: int = ROWS) -> tuple[Ints, Ints, Ints, Ints]:
    """Group, truth, and what two models say that err together on most rows."""
    random = np.random.default_rng(seed)
    group, truth = random.integers(0, 2, rows), random.integers(0, 2, rows)
    one = random.random(rows)
    other = np.where(random.random(rows) < 0.8, one, random.random(rows))
    theirs = np.where(one < np.array([0.9, 0.7])[group], truth, 1 - truth)
    ours = np.where(other < np.array([0.88, 0.8])[group], truth, 1 - truth)
    return group, truth, theirs, ours


def member_of(group: Ints) -> Membership:
    return Membership("x", ("a", "b"), np.stack([group == 0, group == 1], axis=1))


def both(
    group: Ints, truth: Ints, theirs: Ints, ours: Ints, units: Units | None = None
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Gains by the same draws of both models, and by the ends of both gaps."""
    member = member_of(group)
    own, other = (gaps_without(member, truth, one, LABELS, QUICK, units) for one in (ours, theirs))
    paired = paired_gains(member, truth, theirs, ours, LABELS, QUICK, units)
    return (
        {one.name: one for one in gap_gains(own, other, paired)},
        {one.name: one for one in gap_gains(own, other)},
    )


def rates_by_row(weights: Floats, group: Ints, truth: Ints, said: Ints) -> dict[str, Floats]:
    """Of each group (2,): accuracy, and one rate of either label for each of some metrics."""

    def share(hit: np.ndarray, base: np.ndarray) -> Floats:
        inside = [base & (group == g) for g in (0, 1)]
        return np.array([weights[hit & one].sum() / weights[one].sum() for one in inside])

    every = np.ones(len(truth), np.bool_)
    told = {"accuracy": [share(truth == said, every)]}
    told["demographic_parity"] = [share(said == label, every) for label in (0, 1)]
    told["equal_opportunity"] = [share(said == label, truth == label) for label in (0, 1)]
    told["predictive_parity"] = [share(truth == label, said == label) for label in (0, 1)]
    return {name: np.array(rates) for name, rates in told.items()}


def signed(rates: Floats) -> Floats:
    return np.array([one[a] - one[b] for one in rates for a, b in permutations((0, 1), 2)])


def test_ends_are_those_of_brute_force_over_rows() -> None:
    """Weights of single rows, drawn by exponentials, and the formula by plain loops."""
    group, truth, theirs, ours = answers()
    found = paired_gains(member_of(group), truth, theirs, ours, LABELS, QUICK)
    random = np.random.default_rng(1)
    draws: dict[str, list[tuple[Floats, Floats]]] = {}
    for repeat in range(1_501):
        weights = np.ones(ROWS) if not repeat else random.standard_exponential(ROWS)
        other, own = (rates_by_row(weights, group, truth, one) for one in (theirs, ours))
        for name in own:
            draws.setdefault(name, []).append((signed(other[name]), signed(own[name])))
    for name, told in draws.items():
        t, o = (np.array(part) for part in zip(*told, strict=True))
        lows, highs = [], []
        for j in range(t.shape[1]):
            for of_j, others, ends in ((o, t, lows), (t, o, highs)):
                apart = others - of_j[:, [j]]
                spread = apart[1:].std(axis=0)
                reach = np.quantile(np.abs((apart[1:] - apart[0]) / spread).max(axis=1), 0.975)
                ends.append(max(apart[0] - reach * spread))
        ladder = found[f"fairness.x.{name}_difference"]
        assert ladder[0][0] == pytest.approx(min(lows), abs=0.012)
        assert ladder[0][1] == pytest.approx(-min(highs), abs=0.012)


def test_a_paired_interval_is_narrower_and_holds_the_same_gain() -> None:
    paired, apart = both(*answers())
    for name, share in (("accuracy", 0.6), ("f1", 0.7), ("equal_opportunity", 0.95)):
        one, other = (told[f"unmitigated.x.{name}_difference_gain"] for told in (paired, apart))
        assert one.value == other.value
        assert (one.n, len(one.ladder)) == (other.n, MAX_FAMILY)
        assert one.ladder[0][0] <= one.value <= one.ladder[0][1]  # type: ignore[operator]
        widths = [high - low for low, high in one.ladder]
        assert widths == sorted(widths)
        assert widths[0] < share * (other.ladder[0][1] - other.ladder[0][0])
        assert "the same draws of both models" in one.method


def test_the_same_model_gains_nothing_and_next_to_nothing_is_open() -> None:
    group, truth, theirs, _ = answers()
    paired, _ = both(group, truth, theirs, theirs)
    gain = paired["unmitigated.x.accuracy_difference_gain"]
    assert gain.value == 0
    assert -0.03 < gain.ladder[0][0] <= 0 <= gain.ladder[0][1] < 0.03


def test_a_gain_has_the_other_sign_where_the_models_change_places() -> None:
    group, truth, theirs, ours = answers()
    one = paired_gains(member_of(group), truth, theirs, ours, LABELS, QUICK)
    other = paired_gains(member_of(group), truth, ours, theirs, LABELS, QUICK)
    for name, ladder in one.items():
        low, high = other[name][0]
        assert ladder[0] == pytest.approx((-high, -low), abs=0.01)


def test_whole_clusters_are_drawn() -> None:
    group, truth, theirs, ours = answers(rows=300)
    copies = [np.repeat(one, 4) for one in (group, truth, theirs, ours)]
    cluster = np.repeat(np.arange(300), 4)
    units = Units(cluster, np.ones(300), 300, "300 clusters", clustered=True)
    name = "unmitigated.x.accuracy_difference_gain"
    rows, clusters = (both(*copies, units=one)[0][name].ladder[0] for one in (None, units))
    once = both(group, truth, theirs, ours)[0][name].ladder[0]
    assert clusters == pytest.approx(once, abs=0.02)
    assert rows[1] - rows[0] < 0.7 * (clusters[1] - clusters[0])


def test_rows_of_several_groups_count_in_each() -> None:
    group, truth, theirs, ours = answers()
    rows = np.stack([group == 0, (group == 1) | (truth == 1)], axis=1)
    member = Membership("x", ("a", "b"), rows)
    ladder = paired_gains(member, truth, theirs, ours, LABELS, QUICK)
    right = [[(said == truth)[rows[:, g]].mean() for g in (0, 1)] for said in (theirs, ours)]
    gain = abs(right[0][0] - right[0][1]) - abs(right[1][0] - right[1][1])
    low, high = ladder["fairness.x.accuracy_difference"][0]
    assert low < gain < high


def test_where_too_much_is_to_be_drawn_the_ends_are_of_both_gaps() -> None:
    random = np.random.default_rng(0)
    labels = tuple(f"l{place}" for place in range(40))
    truth = random.integers(0, 40, ROWS)
    group = random.integers(0, 2, ROWS)
    found = paired_gains(member_of(group), truth, truth, truth, labels, QUICK)
    assert set(found) == {"fairness.x.accuracy_difference"}
    spread = [random.integers(0, 40, ROWS) for _ in range(2)]
    assert not paired_gains(member_of(group), truth, *spread, labels, QUICK)
    alone = Membership("x", ("a",), np.ones((ROWS, 1), np.bool_))
    assert not paired_gains(alone, truth, truth, truth, labels, QUICK)


def test_the_end_is_that_of_the_least_of_the_largest() -> None:
    """Without spread it is the number itself: the largest of three less the largest of two."""
    values, others = np.array([0.1, 0.4, -0.2]), np.array([0.3, -0.3])
    ends = least_over(values, np.tile(values, (50, 1)), others, np.tile(others, (50, 1)))
    assert ends == pytest.approx(np.full(MAX_FAMILY, 0.1))
