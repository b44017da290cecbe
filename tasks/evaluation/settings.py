"""Settings of the evaluation on the held-out rows."""

from pydantic import BaseModel, ConfigDict, Field

from tasks.verdicts import MAX_FAMILY


class EvaluationSettings(BaseModel):
    """How quality is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repeats: int = Field(
        default=10_000,
        ge=4_000,
        le=200_000,
        description="Bootstrap repeats of an interval. Below 4,000 the narrowest tail, of a "
        f"family of {MAX_FAMILY} gates, would hold fewer than 5 draws.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the bootstrap.")
    calibration_bins: int = Field(
        default=15,
        ge=2,
        le=100,
        description="Bins of equal width between confidence 0 and 1 in the calibration error.",
    )
    baseline_max_features: int = Field(
        default=100_000,
        ge=100,
        description="Words, or character n-grams, that the TF-IDF baseline keeps: the most "
        "frequent ones.",
    )
