"""Settings of the fairness assessment."""

from pydantic import Field, field_validator

from infra.settings_models import SettingsModel
from tasks.protected_groups.group_names import AND, EXCLUSIVE, MAX_GROUPS, exclusive_name
from tasks.protected_groups.term_lists import check_attributes
from tasks.verdicts import MAX_FAMILY

LEAST_GROUPS = 2


class FairnessSettings(SettingsModel):
    """Which groups are assessed, and on how many rows at least."""

    identity_attributes: tuple[str, ...] = Field(
        default=("gender",),
        description="Attributes whose groups are told by the words of a text; each names a term "
        "list in tasks/protected_groups/terms. A group column of the same name is used in its "
        "place. Since a text may mention several groups, its exclusive cells are assessed as an "
        "attribute of their own, gender_exclusive: rows that mention one group alone, several, or "
        "none; of a group column, too, where a row names several groups.",
    )
    intersections: tuple[tuple[str, str], ...] = Field(
        default=(),
        description="Pairs of attributes whose groups are also looked at together, for example "
        "[gender, religion]: the attribute is then called gender+religion and a group "
        "female+muslim. Each is a group column, one of identity_attributes, or the exclusive cells "
        "of one of these, such as gender_exclusive.",
    )
    groups: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="The groups of an attribute that are compared, by attribute; of one that is "
        "not named here, all that the test rows hold; of exclusive cells, those of the compared "
        "groups and `several`, and not `none`. One of too few rows leaves the comparison "
        "undetermined, so a rare group is either left out here or the rows are too few.",
    )
    positive_labels: tuple[str, ...] = Field(
        default=(),
        description="Labels that are told from the rest: rates of one label against the rest are "
        "compared for these alone, and the ranking by their probability is assessed (subgroup, "
        "BPSN and BNSP AUC). None: the rates of every label, and no ranking.",
    )
    min_group_rows: int = Field(
        default=30,
        ge=5,
        description="Rows below which a group, or a group's rows with (or without) a label, cannot "
        "be judged; what rests on them is undetermined.",
    )
    calibration_bins: int = Field(
        default=10,
        ge=2,
        le=50,
        description="Bins of confidence that the calibration error of a group is summed over; "
        "each holds as many test rows as any other, all groups taken together.",
    )
    by_cluster: bool = Field(
        default=True,
        description="Whether whole clusters (documents, authors) are drawn where rows have them, "
        "and not rows.",
    )
    repeats: int = Field(
        default=10_000,
        ge=4_000,
        le=200_000,
        description="Bootstrap repeats of an interval. Below 4,000 the narrowest tail, of a "
        f"family of {MAX_FAMILY} gates, would hold fewer than 5 draws.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the bootstrap.")

    def single_attributes(self, group_columns: tuple[str, ...]) -> tuple[str, ...]:
        """Group columns, then mentions."""
        return tuple(dict.fromkeys((*group_columns, *self.identity_attributes)))

    def attributes(self, group_columns: tuple[str, ...]) -> tuple[str, ...]:
        """All that is assessed: columns and mentions with their exclusive cells, then pairs."""
        return (
            *self._with_cells(group_columns),
            *(AND.join(pair) for pair in self.intersections),
        )

    def _with_cells(self, group_columns: tuple[str, ...]) -> tuple[str, ...]:
        single = self.single_attributes(group_columns)
        return tuple(name for one in single for name in (one, exclusive_name(one)))

    def unassessed(self, group_columns: tuple[str, ...]) -> list[str]:
        """Attributes that `intersections` or `groups` name and nothing assesses."""
        known, alone = self.attributes(group_columns), self._with_cells(group_columns)
        paired = [name for pair in self.intersections for name in pair if name not in alone]
        return list(dict.fromkeys([*paired, *(name for name in self.groups if name not in known)]))

    def why_clash(self, group_columns: tuple[str, ...]) -> str:
        """Which column has the name of another attribute's exclusive cells; empty where none."""
        single = self.single_attributes(group_columns)
        for column in single:
            if column.removesuffix(EXCLUSIVE) in single and column.endswith(EXCLUSIVE):
                return (
                    f"source.group_columns names {column!r}, which is the name of the exclusive "
                    f"cells of {column.removesuffix(EXCLUSIVE)!r}; give the column another name"
                )
        return ""

    @field_validator("identity_attributes")
    @classmethod
    def _known(cls, attributes: tuple[str, ...]) -> tuple[str, ...]:
        return check_attributes(attributes)

    @field_validator("intersections")
    @classmethod
    def _pairs_differ(cls, pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        for one, other in pairs:
            if one == other:
                raise ValueError(f"{one!r} is paired with itself; name two attributes")
        if len({frozenset(pair) for pair in pairs}) < len(pairs):
            raise ValueError(f"{[list(pair) for pair in pairs]} names a pair twice")
        return pairs

    @field_validator("groups")
    @classmethod
    def _groups_compare(cls, groups: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for attribute, names in groups.items():
            if len(set(names)) < len(names):
                raise ValueError(f"{list(names)} names a group of {attribute} twice")
            if not LEAST_GROUPS <= len(names) <= MAX_GROUPS:
                raise ValueError(
                    f"{len(names)} groups of {attribute} are named; name {LEAST_GROUPS} to "
                    f"{MAX_GROUPS}, or none to compare all"
                )
        return groups

    @field_validator("positive_labels")
    @classmethod
    def _labels_once(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) < len(labels):
            raise ValueError(f"{list(labels)} names a label twice")
        return labels
