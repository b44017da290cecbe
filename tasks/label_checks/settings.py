"""Settings of the checks on labels."""

from pydantic import Field, model_validator

from infra.settings_models import SettingsModel


class SpuriousSettings(SettingsModel):
    """When a word or another property of a text predicts a label too well."""

    max_word: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Matthews' correlation of a word or mark with a label from which on it is a "
        "warning. In bbc-news the strongest that belong to a topic reach 0.65.",
    )
    max_property: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="The same of what carries no topic: HTML tags, digits, links, capitals, line "
        "breaks, length and source.",
    )
    refuse_from: float | None = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Correlation from which on the run ends before it trains: the label stands in "
        "the text, and a model would learn nothing else. None: it is a warning too. Never of a "
        "source, which the model does not read.",
    )
    allowed: tuple[str, ...] = Field(
        default=(),
        description="Features, as the report names them (`word refund`), that stand for a label "
        "rightly: shown, and neither warned of nor refused.",
    )
    min_rows: int = Field(
        default=10,
        ge=5,
        description="Training rows with a feature below which it is not looked at.",
    )


class LabelErrorSettings(SettingsModel):
    """How rows with wrong labels are searched."""

    search: bool = Field(
        default=True,
        description="Whether labels are held against predictions of models that did not learn from "
        "the row.",
    )
    shown: int = Field(
        default=20, ge=1, le=200, description="Suspects in the report; the Parquet has them all."
    )


class LabelCheckSettings(SettingsModel):
    """What is looked for among the labels of the clean rows."""

    max_rows: int = Field(
        default=10_000,
        ge=100,
        description="Rows that are looked at at most, drawn by the hash of their row_id, and of "
        "each the first 5,000 characters.",
    )
    repeats: int = Field(
        default=4_000, ge=4_000, le=200_000, description="Bootstrap repeats of an interval."
    )
    seed: int = Field(default=0, ge=0, description="Seed of all that is drawn.")
    spurious: SpuriousSettings = Field(
        default=SpuriousSettings(), description="What predicts a label too well."
    )
    errors: LabelErrorSettings = Field(
        default=LabelErrorSettings(), description="Which labels look wrong."
    )

    @model_validator(mode="after")
    def _warned_before_refused(self) -> "LabelCheckSettings":
        limit = self.spurious.refuse_from
        lowest = max(self.spurious.max_word, self.spurious.max_property)
        if limit is not None and limit < lowest:
            raise ValueError(
                f"label_checks.spurious.refuse_from {limit:g} lies below the limit of a warning, "
                f"{lowest:g}; set it to that or more, or max_word and max_property lower"
            )
        return self
