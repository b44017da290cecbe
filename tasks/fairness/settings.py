"""Settings of the fairness assessment."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tasks.identity.term_lists import check_attributes
from tasks.verdicts import MAX_FAMILY


class FairnessSettings(BaseModel):
    """Which groups are assessed, and on how many rows at least."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity_attributes: tuple[str, ...] = Field(
        default=("gender",),
        description="Attributes whose groups are told by the words of a text; each names a term "
        "list in tasks/identity/terms. A group column of the same name is used in its place.",
    )
    min_group_rows: int = Field(
        default=30,
        ge=5,
        description="Rows below which a group, or a group's rows with (or without) a label, cannot "
        "be judged; what rests on them is undetermined.",
    )
    repeats: int = Field(
        default=10_000,
        ge=4_000,
        le=200_000,
        description="Bootstrap repeats of an interval. Below 4,000 the narrowest tail, of a "
        f"family of {MAX_FAMILY} gates, would hold fewer than 5 draws.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the bootstrap.")

    @field_validator("identity_attributes")
    @classmethod
    def _known(cls, attributes: tuple[str, ...]) -> tuple[str, ...]:
        return check_attributes(attributes)
