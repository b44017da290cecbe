"""What gates on groups rest on: the smallest part, in clusters where these are drawn."""

import numpy as np
import pytest

from tasks.fairness.gate_rows import gate_rows_of_groups
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling_units import units_of_rows

SETTINGS = FairnessSettings(min_group_rows=5)
LABELS = ("no", "yes")


def member(*sizes: int) -> Membership:
    """Groups of these sizes, one behind the other."""
    groups = tuple(f"g{place}" for place in range(len(sizes)))
    rows = np.repeat(np.eye(len(sizes), dtype=np.bool_), sizes, axis=0)
    return Membership("x", groups, rows)


def found(
    one: Membership, truth: np.ndarray | None, **changes: object
) -> dict[str, tuple[int, int]]:
    settings = SETTINGS.model_copy(update=changes)
    made = gate_rows_of_groups(one, truth, LABELS, settings, None)
    return {row.metric.removeprefix("fairness.x."): (row.rows, row.least) for row in made}


def test_the_smallest_group_and_the_smallest_group_of_a_label_decide() -> None:
    truth = np.array([0] * 35 + [1] * 5 + [0] * 20 + [1] * 40)
    assert found(member(40, 60), truth) == {
        "accuracy_difference": (40, 5),
        "equal_opportunity_difference": (5, 5),
        "false_positive_rate_difference": (5, 5),
        "equalized_odds_difference": (5, 5),
    }
    told = found(member(40, 60), truth, positive_labels=("no",))
    assert told["equal_opportunity_difference"] == (20, 5)
    assert found(member(40, 60), None) == {"row_score_difference": (40, 5)}


def test_groups_that_are_not_compared_do_not_count() -> None:
    named = found(member(40, 60, 2), None, groups={"x": ("g0", "g1")})
    assert named == {"row_score_difference": (40, 5)}
    assert found(member(40, 60), None, groups={"x": ("g0", "g9")})["row_score_difference"][0] == 0


def test_a_group_that_vanished_is_named() -> None:
    settings = SETTINGS.model_copy(update={"groups": {"x": ("g0", "g9")}})
    (row,) = gate_rows_of_groups(member(40, 60), None, LABELS, settings, None)
    assert row.part == "no test row is g9"


@pytest.mark.parametrize("sizes", [(40,), (0, 0)])
def test_without_two_groups_there_is_nothing_to_compare(sizes: tuple[int, ...]) -> None:
    (row,) = gate_rows_of_groups(member(*sizes), None, LABELS, SETTINGS, None)
    assert row.rows == 0
    assert "group" in row.part


def test_rows_of_few_authors_count_as_those() -> None:
    one = member(40, 60)
    authors = [f"author {row // 4}" for row in range(100)]
    units = units_of_rows([f"{row:03d}" for row in range(100)], authors)
    (row,) = gate_rows_of_groups(one, None, LABELS, SETTINGS, units)
    assert (row.rows, row.units) == (40, 10)
