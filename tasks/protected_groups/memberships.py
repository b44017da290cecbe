"""Which rows belong to which groups of an attribute, by a column or by two attributes at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.protected_groups.group_names import AND, MAX_GROUPS, SEPARATOR


@dataclass(frozen=True)
class Membership:
    """Which rows belong to which groups of one attribute; a row may belong to several or none.

    Attributes:
        attribute: for example gender.
        groups: sorted.
        rows: shape (N, G).
        reason: why the rows cannot be told apart; empty where they can.
        compared: groups that are compared where no setting names others; none for all.

    """

    attribute: str
    groups: tuple[str, ...]
    rows: NDArray[np.bool_]
    reason: str = ""
    compared: tuple[str, ...] = ()


def groups_by_row(
    values: pa.Array | pa.ChunkedArray,
) -> tuple[NDArray[np.int64], pa.Array | pa.ChunkedArray]:
    """Each group that a column names, and the row that names it; a null names none.

    Returns:
        Places of rows, shape (K,), and the K names; a row may name a group twice.

    """
    parts = pc.split_pattern(values, SEPARATOR)
    if isinstance(parts, pa.ChunkedArray):
        parts = parts.combine_chunks()
    names = pc.utf8_trim_whitespace(pc.list_flatten(parts))
    named = pc.not_equal(names, "")
    rows = pc.list_parent_indices(parts).filter(named).to_numpy().astype(np.int64)
    return rows, names.filter(named)


def column_groups(
    attribute: str, values: pa.Array | pa.ChunkedArray, wanted: Sequence[str] = ()
) -> Membership:
    """Groups by the values of a column of strings.

    Args:
        attribute: the column's name.
        values: of N rows; a null belongs to no group.
        wanted: the groups to tell apart, whether or not a row names them; none for all.

    """
    rows, names = groups_by_row(values)
    groups = tuple(sorted(wanted)) or tuple(sorted(pc.unique(names).to_pylist()))
    if len(groups) > MAX_GROUPS:
        reason = (
            f"the column {attribute} has {len(groups):,} different values, and at most "
            f"{MAX_GROUPS} can be told apart as groups: name those that matter in fairness.groups"
        )
        return Membership(attribute, (), np.zeros((len(values), 0), dtype=np.bool_), reason)
    places = pc.index_in(names, value_set=pa.array(groups, pa.string()))
    known = places.is_valid().to_numpy(zero_copy_only=False)
    member = np.zeros((len(values), len(groups)), dtype=np.bool_)
    member[rows[known], places.fill_null(0).to_numpy()[known]] = True
    return Membership(attribute, groups, member)


def with_groups(member: Membership, wanted: Sequence[str]) -> Membership:
    """The wanted groups alone; one that no row belongs to stays, without rows."""
    rows = np.zeros((len(member.rows), len(wanted)), dtype=np.bool_)
    for place, group in enumerate(sorted(wanted)):
        if group in member.groups:
            rows[:, place] = member.rows[:, member.groups.index(group)]
    return Membership(member.attribute, tuple(sorted(wanted)), rows, member.reason)


def intersection(one: Membership, other: Membership) -> Membership:
    """Pairs of groups of two attributes that a row belongs to at once: female+muslim.

    Pairs that no row belongs to are left out: not every pair exists.
    """
    attribute = f"{one.attribute}{AND}{other.attribute}"
    groups, columns = [], []
    for first, name in enumerate(one.groups):
        for second, beside in enumerate(other.groups):
            both = one.rows[:, first] & other.rows[:, second]
            if both.any():
                groups.append(f"{name}{AND}{beside}")
                columns.append(both)
    reason = one.reason or other.reason
    if not groups:
        empty = np.zeros((len(one.rows), 0), dtype=np.bool_)
        return Membership(attribute, (), empty, reason)
    order = sorted(range(len(groups)), key=groups.__getitem__)
    rows = np.stack([columns[place] for place in order], axis=1)
    return Membership(attribute, tuple(groups[place] for place in order), rows, reason)
