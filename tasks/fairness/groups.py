"""Which groups are assessed: by columns, by mentions, exclusive, and by two of these at once."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from infra.errors import SettingsError
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.assessed_groups import groups_and_cells
from tasks.protected_groups.exclusive_cells import overlaps
from tasks.protected_groups.group_names import exclusive_name
from tasks.protected_groups.memberships import Membership, intersection, with_groups

if TYPE_CHECKING:
    import pyarrow as pa


def memberships(
    rows: "pa.Table",
    texts: Sequence[str],
    group_columns: tuple[str, ...],
    settings: FairnessSettings,
) -> Iterator[Membership]:
    """Groups by column, then by mention, each with its exclusive cells; then of two attributes.

    A column stands in for the term list of the same name. Pairs are made of the compared groups.
    The cells of a column that names one group a row are its groups, and are not repeated.

    Args:
        rows: has the group columns, N rows.
        texts: what a person would read of each row, N of them.
        group_columns: columns whose values are groups.
        settings: the attributes.

    Raises:
        SettingsError: `intersections` or `groups` name an attribute that nothing assesses, or a
            column has the name of exclusive cells.

    """
    check_attributes(group_columns, settings)
    found: dict[str, Membership] = {}
    for attribute in settings.single_attributes(group_columns):
        stated = attribute in group_columns
        values = rows[attribute] if stated else None
        member, cells = groups_and_cells(
            attribute, values, texts, settings.groups.get(attribute, ())
        )
        found |= {attribute: member, exclusive_name(attribute): cells}
        yield member
        if not stated or overlaps(member):
            yield cells
    for one, other in settings.intersections:
        yield intersection(_compared(found[one], settings), _compared(found[other], settings))


def compared_groups(member: Membership, settings: FairnessSettings) -> tuple[str, ...]:
    """The groups of an attribute that are compared, sorted or as the settings name them."""
    return settings.groups.get(member.attribute) or member.compared or member.groups


def _compared(member: Membership, settings: FairnessSettings) -> Membership:
    groups = compared_groups(member, settings)
    return member if groups == member.groups else with_groups(member, groups)


def check_attributes(group_columns: tuple[str, ...], settings: FairnessSettings) -> None:
    """Raise SettingsError where attributes are named that nothing assesses, or two alike."""
    if clash := settings.why_clash(group_columns):
        raise SettingsError(clash)
    if unknown := settings.unassessed(group_columns):
        known = list(settings.attributes(group_columns))
        raise SettingsError(
            f"fairness.intersections or fairness.groups name {unknown}, which nothing assesses; "
            f"assessed are {known}: add it to fairness.identity_attributes or source.group_columns"
        )
