"""Settings of the probe that leaves one domain of the rows out."""

import re
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from infra.settings_models import SettingsModel
from tasks.protected_groups.group_names import SEPARATOR
from tasks.verdicts import MAX_FAMILY

FAMILY: Final = "leave_one_domain_out"
# The column that says which of several sources a row comes from; no source has one of this name.
SOURCE: Final = "source"
DROP, ELSEWHERE = "drop", "elsewhere"
Span = Literal["year", "month"]
# How a span is named, and how many characters of an ISO date that is.
SPANS: Final = {"year": (r"\d{4}", 4, "2026"), "month": (r"\d{4}-(0[1-9]|1[0-2])", 7, "2026-11")}


class LeaveOneDomainOutSettings(SettingsModel):
    """Which rows are left out together, each in a training of its own."""

    column: str = Field(
        default=SOURCE,
        min_length=1,
        description="What says the domain of a row: `source`, of a line with several sources, or "
        "one of source.group_columns, such as a shop, a genre or a date.",
    )
    span: Span | None = Field(
        default=None,
        description="Where the column holds dates (2026-11-29): rows of one year, or of one month, "
        "are left out together, and are named 2026 or 2026-11.",
    )
    values: tuple[str, ...] = Field(
        default=(),
        max_length=MAX_FAMILY,
        description="The domains that are left out in turn; none: those with most test rows.",
    )
    max_trainings: int = Field(
        default=5,
        ge=1,
        le=MAX_FAMILY,
        description="Domains that are left out at most where values names none. Each takes a "
        "training on all other rows.",
    )
    min_rows: int = Field(
        default=50,
        ge=20,
        description="Test rows of a domain below which nothing is trained or judged for it.",
    )

    @field_validator("values")
    @classmethod
    def _values_are_names(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) < len(values):
            raise ValueError(f"{list(values)} names a domain twice; name each once")
        for value in values:
            if not value.strip() or value != value.strip() or SEPARATOR in value:
                raise ValueError(
                    f"{value!r} names no domain; right is one value of the column as it stands, "
                    f"without spaces around it and without {SEPARATOR!r}"
                )
        return values

    @model_validator(mode="after")
    def _values_are_spans(self) -> Self:
        if self.span is None:
            return self
        pattern, _, example = SPANS[self.span]
        for value in self.values:
            if not re.fullmatch(pattern, value):
                raise ValueError(
                    f"probes.{FAMILY}.values names {value!r}, which is no {self.span}; right would "
                    f"be {example!r}"
                )
        return self
