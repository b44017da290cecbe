"""Settings of the look at who and what the rows stand for."""

from pydantic import Field, field_validator

from infra.settings_models import SettingsModel
from tasks.protected_groups.term_lists import check_attributes


class RepresentationSettings(SettingsModel):
    """Which groups are looked at before training, and how."""

    identity_attributes: tuple[str, ...] = Field(
        default=("gender", "religion", "age"),
        description="Attributes whose groups are told by the words of a text; each names a term "
        "list in tasks/protected_groups/terms. Group columns of the source are looked at as well.",
    )
    conditional_on: str | None = Field(
        default=None,
        description="Group column that conditional demographic disparity conditions on; None "
        "conditions on the quartile of text length.",
    )
    min_group_rows: int = Field(
        default=30, ge=5, description="Rows below which a group's measures are not told."
    )
    min_term_rows: int = Field(
        default=10, ge=1, description="Rows below which a term's association is not told."
    )
    terms_shown: int = Field(
        default=20,
        ge=1,
        le=200,
        description="Terms that are told for each label, most associated first.",
    )

    @field_validator("identity_attributes")
    @classmethod
    def _known(cls, attributes: tuple[str, ...]) -> tuple[str, ...]:
        return check_attributes(attributes)
