"""The data contract: what the rows of a line must be like."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_TEXT_CHARACTERS = 1_000_000


class ContractSettings(BaseModel):
    """What is asked of each row, and of the rows that are left."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: tuple[str, ...] | None = Field(
        default=None,
        min_length=2,
        description="The admitted labels; None admits every label that the data holds.",
    )
    min_text_length: int = Field(default=1, ge=1, description="Shortest text, in characters.")
    max_text_length: int = Field(
        default=MAX_TEXT_CHARACTERS, ge=1, description="Longest text, in characters."
    )
    min_rows: int = Field(default=50, ge=1, description="Least clean rows in all splits together.")
    min_rows_per_label: int = Field(
        default=10, ge=1, description="Least clean rows of each label in all splits together."
    )
    min_rows_per_label_in_test: int = Field(
        default=1, ge=1, description="Least clean rows of each label in the test split."
    )
    max_quarantine_share: float = Field(
        default=0.05, ge=0, le=1, description="Largest share of rows that may be put aside."
    )
    groups: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="The admitted values of a group column, by column; a column that is not named "
        "here admits every value. A missing value is admitted.",
    )

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.min_text_length > self.max_text_length:
            raise ValueError(
                f"min_text_length {self.min_text_length} exceeds max_text_length "
                f"{self.max_text_length}"
            )
        if self.labels and len(set(self.labels)) < len(self.labels):
            raise ValueError(f"a label is named twice in {list(self.labels)}")
        return self
