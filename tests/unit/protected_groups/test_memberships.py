"""Which rows belong to which groups: by a column, and by two attributes at once."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.protected_groups.group_names import MAX_GROUPS, join_groups
from tasks.protected_groups.memberships import (
    Membership,
    column_groups,
    groups_by_row,
    intersection,
)

NAMES = st.sampled_from(["a", "b", "北京", "R&D", "a b"])


@settings(deadline=None)
@given(st.lists(st.none() | st.lists(NAMES, max_size=3), max_size=20))
def test_a_column_puts_each_row_in_all_of_its_groups(values: list[list[str] | None]) -> None:
    joined = [None if value is None else join_groups(value) for value in values]
    member = column_groups("region", pa.array(joined, pa.string()))
    assert member.groups == tuple(sorted({name for value in values for name in value or ()}))
    assert member.rows.shape == (len(values), len(member.groups))
    for value, row in zip(values, member.rows, strict=True):
        assert {member.groups[k] for k in np.flatnonzero(row)} == set(value or ())


@pytest.mark.parametrize("kind", [pa.array, lambda *a: pa.chunked_array([pa.array(*a)])])
def test_groups_of_one_string(kind: object) -> None:
    column = kind(["a|b", None, " b | a ", "|", "", "c"], pa.string())  # type: ignore[operator]
    rows, names = groups_by_row(column)
    assert list(zip(rows.tolist(), names.to_pylist(), strict=True)) == [
        (0, "a"), (0, "b"), (2, "b"), (2, "a"), (5, "c"),
    ]  # fmt: skip


def test_joining_refuses_a_name_that_would_be_parted() -> None:
    assert join_groups(["b", " a ", "b", ""]) == "a|b"
    assert join_groups([]) is None
    with pytest.raises(ValueError, match="must not hold '\\|'"):
        join_groups(["a|b"])


def test_a_column_of_names_is_told_from_one_of_groups() -> None:
    many = pa.array([f"user {k}" for k in range(MAX_GROUPS + 1)])
    member = column_groups("user", many)
    assert member.groups == ()
    assert member.rows.shape == (MAX_GROUPS + 1, 0)
    assert member.reason == (
        "the column user has 201 different values, and at most 200 can be told apart as groups: "
        "name those that matter in fairness.groups"
    )
    some = column_groups("user", many, ("user 7", "nobody"))
    assert some.groups == ("nobody", "user 7")
    assert some.rows.sum(axis=0).tolist() == [0, 1]
    assert some.reason == ""


@settings(deadline=None)
@given(st.lists(st.tuples(st.sets(st.sampled_from("ab")), st.sets(st.sampled_from("xyz")))))
def test_an_intersection_is_both_at_once(rows: list[tuple[set[str], set[str]]]) -> None:
    def of(attribute: str, place: int, names: str) -> Membership:
        member = np.array([[name in row[place] for name in names] for row in rows], dtype=bool)
        return Membership(attribute, tuple(names), member.reshape(len(rows), len(names)))

    both = intersection(of("one", 0, "ab"), of("two", 1, "xyz"))
    assert both.attribute == "one+two"
    expected = [{f"{a}+{b}" for a in row[0] for b in row[1]} for row in rows]
    assert both.groups == tuple(sorted(set().union(*expected)))
    assert both.rows.shape == (len(rows), len(both.groups))
    for row, names in zip(both.rows, expected, strict=True):
        assert {both.groups[k] for k in np.flatnonzero(row)} == names


def test_an_intersection_says_why_it_cannot_be_told() -> None:
    empty = Membership("user", (), np.zeros((3, 0), dtype=bool), "too many")
    other = Membership("x", ("a",), np.ones((3, 1), dtype=bool))
    assert intersection(empty, other).reason == "too many"
    assert intersection(other, empty).groups == ()
