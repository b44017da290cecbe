"""Settings of the comparison with registered versions: which rows count, and when none do."""

from typing import Literal

from pydantic import Field

from infra.settings_models import SettingsModel


class ComparisonSettings(SettingsModel):
    """On which rows the candidate is compared with the champion and with the anchor."""

    min_rows: int = Field(
        default=100,
        ge=20,
        description="Test rows that must be left of those that a version was neither trained nor "
        "selected on, where it was on some. With fewer, a gain cannot be told.",
    )
    unknown_training_rows: Literal["undetermined", "compare"] = Field(
        default="undetermined",
        description="What becomes of the comparison with a version whose training rows cannot be "
        "read: one that others registered, or whose rows are gone. undetermined (nothing is "
        "promoted over it but by a person's word), or compare: on all test rows, by your word that "
        "it has learned none of them; the report says so.",
    )
