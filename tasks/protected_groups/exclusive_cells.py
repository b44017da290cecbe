"""Rows parted so that each is in one cell: of one group alone, of several groups, or of none.

A row that belongs to two groups is compared with itself where the groups are, and hides what
happens to the rows of one group alone. Cells that exclude each other show it (Buolamwini and Gebru
2018, PMLR 81:77; Kearns et al. 2018, arXiv:1711.05144).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tasks.protected_groups.group_names import exclusive_name
from tasks.protected_groups.memberships import Membership

# Rows of two groups or more, and rows of no group.
SEVERAL: Final = "several"
NONE: Final = "none"


def overlaps(member: Membership) -> bool:
    """Whether a row belongs to two groups."""
    return bool((member.rows.sum(axis=1) > 1).any())


def exclusive_cells(member: Membership, compared: Sequence[str] = ()) -> Membership:
    """One cell for the rows of each group alone, one for rows of several groups, one for the rest.

    The rows of no group are the background: their cell is assessed, and not compared unless the
    settings name it, since it holds nobody whom a gap could harm. A group keeps its cell where no
    row is of it alone; the cells of several and of no groups are left out where they are empty.

    Args:
        member: groups of N rows, which may overlap.
        compared: the groups that are compared; none for all.

    """
    attribute = exclusive_name(member.attribute)
    if taken := sorted({SEVERAL, NONE} & set(member.groups)):
        reason = (
            f"{member.attribute} has a group called {taken[0]!r}, as is the cell of the rows of "
            f"{taken[0]} of the groups; name the group otherwise"
        )
        return Membership(attribute, (), np.zeros((len(member.rows), 0), np.bool_), reason)
    held = member.rows.sum(axis=1)
    cells = {
        group: member.rows[:, place] & (held == 1) for place, group in enumerate(member.groups)
    }
    cells |= {name: rows for name, rows in ((SEVERAL, held > 1), (NONE, held == 0)) if rows.any()}
    names = tuple(sorted(cells))
    rows = np.stack([cells[name] for name in names], axis=1) if names else member.rows
    chosen = set(compared or member.groups) | {SEVERAL}
    # A group that is to be compared and that no row is of stays, so that its lack is told.
    kept = chosen - {SEVERAL} | chosen & set(names)
    return Membership(attribute, names, rows, member.reason, tuple(sorted(kept)))
