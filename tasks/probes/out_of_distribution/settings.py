"""Settings of the probe with out-of-distribution texts."""

from typing import Final

from pydantic import Field

from infra.settings_models import SettingsModel

FAMILY: Final = "out_of_distribution"
# Of outputs alone, and of what the last layer reads.
MSP, ENERGY, MAHALANOBIS, KNN = "msp", "energy", "mahalanobis", "knn"
OF_OUTPUTS: Final = (MSP, ENERGY)
OF_FEATURES: Final = (MAHALANOBIS, KNN)
AUROC, FLAGGED, ANSWERED = "auroc", "flagged", "answered"
FALSE_POSITIVE_RATE: Final = "false_positive_rate"


class OutOfDistributionSettings(SettingsModel):
    """Which out-of-distribution texts the trained classifier is asked about."""

    path: str = Field(
        min_length=1,
        description="Texts of another distribution than the line's: a file of JSON Lines with a "
        "field text, or with the ending .txt of one text a line; local, from the settings file's "
        "folder, or s3://bucket/key.",
    )
    rows: int = Field(
        default=1_000, ge=30, le=100_000, description="Texts of it that are asked, by their hash."
    )
    training_rows: int = Field(
        default=2_000,
        ge=50,
        le=100_000,
        description="Training rows, by their hash, whose embeddings the distances are from.",
    )
    neighbours: int = Field(
        default=10,
        ge=1,
        le=1_000,
        description="knn is the distance to the nearest training row but so many less one.",
    )
    min_rows: int = Field(
        default=30, ge=5, description="Texts of the file below which nothing is judged."
    )
