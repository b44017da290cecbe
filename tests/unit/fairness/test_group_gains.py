"""What compression costs each group, by definition, and where it cannot be told."""

import numpy as np
import pytest

from tasks.fairness.group_gains import gains_of_groups
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling_units import units_of_rows
from tasks.verdicts import Estimate

QUICK = FairnessSettings(repeats=4_000)


def member_of(*sizes: int, others: int = 40) -> Membership:
    """Groups of so many rows one behind the other, and rows of none."""
    place = np.repeat(np.arange(len(sizes) + 1), [*sizes, others])
    rows = np.stack([place == group for group in range(len(sizes))], axis=1)
    return Membership("x", tuple(f"g{group}" for group in range(len(sizes))), rows)


def told(member: Membership, gains: np.ndarray, **changes: object) -> dict[str, Estimate]:
    found = gains_of_groups(member, gains, QUICK.model_copy(update=changes))
    return {one.name.removeprefix("uncompressed.x."): one for one in found}


def test_each_group_is_told_and_the_worst_of_them() -> None:
    member = member_of(200, 60)
    gains = np.zeros(300)
    gains[:4], gains[200:212], gains[212:214] = -1, -1, 1  # of rows that are right or wrong
    found = told(member, gains)
    assert found["row_score_gain.g0"].value == pytest.approx(-4 / 200)
    assert found["row_score_gain.g1"].value == pytest.approx(-10 / 60)
    worst = found["worst_group_row_score_gain"]
    assert (worst.value, worst.n) == (pytest.approx(-10 / 60), 260)
    for one in found.values():
        assert one.value is not None
        assert all(-1 <= low <= one.value <= high <= 1 for low, high in one.ladder)
    assert found["row_score_gain.g1"].high is not None
    assert found["row_score_gain.g1"].high < 0


def test_a_group_that_lost_nothing_may_yet_lose_some() -> None:
    """Of 60 rows none changed; an interval of nothing would prove too much."""
    found = told(member_of(200, 60), np.zeros(300))["row_score_gain.g1"]
    assert found.value == 0
    assert found.low is not None
    assert found.high is not None
    assert -0.15 < found.low < -0.01
    assert 0.01 < found.high < 0.15


def test_what_is_too_small_or_unknown_is_undetermined() -> None:
    found = told(member_of(200, 10), np.zeros(250))
    assert found["row_score_gain.g0"].value == 0
    assert found["row_score_gain.g1"].value is None
    assert "10 test rows" in found["row_score_gain.g1"].reason
    assert found["worst_group_row_score_gain"].value is None
    gains = np.zeros(300)
    gains[5] = np.nan
    for one in told(member_of(200, 60), gains).values():
        assert one.value is None
        assert "1 test rows of its groups have no score" in one.reason
    gains = np.zeros(300)
    gains[-1] = np.nan  # of no group
    assert told(member_of(200, 60), gains)["row_score_gain.g1"].value == 0


def test_rows_of_few_clusters_tell_nothing() -> None:
    units = units_of_rows([str(row) for row in range(300)], [str(row % 5) for row in range(300)])
    found = gains_of_groups(member_of(200, 60), np.zeros(300), QUICK, units)
    assert all(one.value is None and "5 clusters" in one.reason for one in found)
