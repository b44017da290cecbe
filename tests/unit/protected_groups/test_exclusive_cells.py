"""Each row in one cell: of one group alone, of several, or of none."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.protected_groups.exclusive_cells import exclusive_cells, overlaps
from tasks.protected_groups.memberships import Membership


def member(rows: list[set[str]], groups: str = "abc") -> Membership:
    held = np.array([[group in row for group in groups] for row in rows], dtype=bool)
    return Membership("region", tuple(groups), held.reshape(len(rows), len(groups)))


@settings(deadline=None)
@given(st.lists(st.sets(st.sampled_from("abc")), max_size=20))
def test_every_row_is_in_the_one_cell_of_its_groups(rows: list[set[str]]) -> None:
    found = exclusive_cells(member(rows))
    assert found.attribute == "region_exclusive"
    assert list(found.groups) == sorted(found.groups)
    assert set("abc") <= set(found.groups) <= {*"abc", "several", "none"}
    assert found.rows.shape == (len(rows), len(found.groups))
    for groups, held in zip(rows, found.rows, strict=True):
        expected = "none" if not groups else min(groups) if len(groups) == 1 else "several"
        assert [found.groups[place] for place in np.flatnonzero(held)] == [expected]
    assert overlaps(member(rows)) == any(len(row) > 1 for row in rows)
    # Nobody of several or of no groups: such a cell is no part of the world.
    for name in {"several", "none"} & set(found.groups):
        assert found.rows[:, found.groups.index(name)].any()


def test_the_background_is_assessed_and_not_compared() -> None:
    rows: list[set[str]] = [{"a"}, {"b"}, {"a", "b"}, set()]
    assert exclusive_cells(member(rows)).compared == ("a", "b", "c", "several")
    assert exclusive_cells(member(rows), ("a", "b")).compared == ("a", "b", "several")
    assert exclusive_cells(member(rows[:2]), ("a", "b")).compared == ("a", "b")
    # One that is to be compared and is not there is told, not forgotten.
    assert exclusive_cells(member(rows), ("a", "z")).compared == ("a", "several", "z")


def test_a_group_named_as_a_cell_leaves_them_undetermined() -> None:
    rows = np.eye(2, dtype=bool)
    found = exclusive_cells(Membership("region", ("north", "none"), rows))
    assert found.groups == ()
    assert found.reason == (
        "region has a group called 'none', as is the cell of the rows of none of the groups; "
        "name the group otherwise"
    )


def test_why_the_groups_cannot_be_told_apart_stays() -> None:
    empty = Membership("user", (), np.zeros((3, 0), dtype=bool), "too many")
    assert exclusive_cells(empty).reason == "too many"
