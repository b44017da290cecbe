"""The groups of an attribute that rows are told apart by, from a column or from their words.

Fairness is assessed by them, and mitigation weighs by them: a row is in the same cell in both.
"""

from collections.abc import Sequence

import pyarrow as pa

from tasks.protected_groups.exclusive_cells import exclusive_cells
from tasks.protected_groups.memberships import Membership, column_groups
from tasks.protected_groups.mentions import mentioned_groups, read_terms
from tasks.protected_groups.term_lists import TERMS_FOLDER


def groups_and_cells(
    attribute: str,
    values: pa.ChunkedArray | None,
    texts: Sequence[str],
    wanted: tuple[str, ...],
) -> tuple[Membership, Membership]:
    """All groups of an attribute, and cells that exclude each other, of N rows.

    A row of a wanted group and of another one is of several groups. Of a column with very many
    values the wanted groups alone are told apart.

    Args:
        attribute: its name.
        values: of the column of that name; None of an attribute that the words tell.
        texts: what a person would read of each row, N of them.
        wanted: the groups that are compared; none for all.

    """
    if values is None:
        member = mentioned_groups(attribute, texts, read_terms(TERMS_FOLDER / f"{attribute}.csv"))
    else:
        member = column_groups(attribute, values)
        if member.reason and wanted:
            member = column_groups(attribute, values, wanted)
    return member, exclusive_cells(member, wanted)
