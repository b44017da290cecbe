"""Which groups are assessed: by columns, by mentions, and by two of these at once."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from infra.errors import SettingsError
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership, column_groups, intersection, with_groups
from tasks.protected_groups.mentions import mentioned_groups, read_terms
from tasks.protected_groups.term_lists import TERMS_FOLDER

if TYPE_CHECKING:
    import pyarrow as pa


def memberships(
    rows: "pa.Table",
    texts: Sequence[str],
    group_columns: tuple[str, ...],
    settings: FairnessSettings,
) -> Iterator[Membership]:
    """Groups by column, then by mention, then of two attributes at once.

    A column stands in for the term list of the same name. Pairs are made of the compared groups.

    Args:
        rows: has the group columns, N rows.
        texts: what a person would read of each row, N of them.
        group_columns: columns whose values are groups.
        settings: the attributes.

    Raises:
        SettingsError: `intersections` or `groups` name an attribute that nothing assesses.

    """
    check_attributes(group_columns, settings)
    single: dict[str, Membership] = {}
    for attribute in dict.fromkeys((*group_columns, *settings.identity_attributes)):
        if attribute in group_columns:
            single[attribute] = _stated_groups(attribute, rows[attribute], settings)
        else:
            terms = read_terms(TERMS_FOLDER / f"{attribute}.csv")
            single[attribute] = mentioned_groups(attribute, texts, terms)
        yield single[attribute]
    compared = {
        attribute: with_groups(member, settings.groups[attribute])
        if attribute in settings.groups
        else member
        for attribute, member in single.items()
    }
    for one, other in settings.intersections:
        yield intersection(compared[one], compared[other])


def _stated_groups(
    attribute: str, values: "pa.ChunkedArray", settings: FairnessSettings
) -> Membership:
    """All groups of a column, or of one with very many values those that the settings name."""
    member = column_groups(attribute, values)
    wanted = settings.groups.get(attribute, ())
    return column_groups(attribute, values, wanted) if member.reason and wanted else member


def check_attributes(group_columns: tuple[str, ...], settings: FairnessSettings) -> None:
    """Raise SettingsError where `intersections` or `groups` name what nothing assesses."""
    if unknown := settings.unassessed(group_columns):
        known = list(settings.attributes(group_columns))
        raise SettingsError(
            f"fairness.intersections or fairness.groups name {unknown}, which nothing assesses; "
            f"assessed are {known}: add it to fairness.identity_attributes or source.group_columns"
        )
