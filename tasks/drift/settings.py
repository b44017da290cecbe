"""Settings of the drift checks."""

from math import ceil
from typing import Literal

from pydantic import Field, model_validator

from infra.settings_models import SettingsModel

# drift.label_shares, text_length, vocabulary, unknown_tokens, domain_classifier and embeddings.
_CHECKS = 6


def least_permutations(false_discovery_rate: float) -> int:
    """So many that the least p-value is below the rate after Benjamini and Yekutieli's correction.

    It is multiplied by the number of checks, and by the sum of 1, 1/2, 1/3 and so on to that.
    """
    dependence = sum(1 / rank for rank in range(1, _CHECKS + 1))
    return ceil(_CHECKS * dependence / false_discovery_rate)


class DriftSettings(SettingsModel):
    """When the data of a run counts as drifted from that of the champion.

    A check passes only if the interval of its effect size lies wholly below its limit: that no
    difference was found says nothing where few rows are compared. It fails, which is drift, if the
    interval reaches the limit wholly and its p-value, corrected over all checks by Benjamini and
    Yekutieli, is below ``false_discovery_rate``. Else it is undetermined, and says how many rows
    would do. Where rows have a cluster, clusters are drawn, ten a side at least.
    """

    on_drift: Literal["report", "refuse"] = Field(
        default="report",
        description="What drift does to a run: shown in the report, or the run ends before it "
        "trains, also where drift cannot be told. A retraining is the usual answer to drift, so "
        "it is reported by default.",
    )
    on_split_shift: Literal["report", "refuse"] = Field(
        default="report",
        description="What becomes of a run whose validation or test rows are unlike its training "
        "rows, by the same limits: shown in the report, or the run ends before it trains, also "
        "where that cannot be told. Splits by hash are alike by their making, so few held-out rows "
        "are no fault there; splits of your own can differ.",
    )
    false_discovery_rate: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="Expected share of false calls of drift among all calls.",
    )
    max_label_distance: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Jensen-Shannon distance (base 2) of label shares, "
        "beyond that of the same rows dealt at random.",
    )
    max_length_distance: float = Field(
        default=0.1, gt=0, le=1, description="Kolmogorov-Smirnov distance of text lengths."
    )
    max_vocabulary_distance: float = Field(
        default=0.15,
        gt=0,
        le=1,
        description="Jensen-Shannon distance (base 2) of word shares, beyond that of the same "
        "rows dealt at random: rare words alone set any two samples apart. Of news, 0.15 is about "
        "a third of the rows replaced by other topics.",
    )
    max_unknown_share_change: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="Change of the share of tokens that the base model's vocabulary lacks.",
    )
    max_domain_auc: float = Field(
        default=0.65,
        gt=0.5,
        le=1,
        description="Area under the ROC curve of a classifier that tells the rows of now from "
        "those of before. A row that stands in both counts on both sides.",
    )
    max_embedding_distance: float = Field(
        default=0.005,
        gt=0,
        description="Maximum mean discrepancy (squared, unbiased, Gaussian kernel of median width) "
        "of the base model's embeddings. Of news, all rows replaced by other topics give 0.03, "
        "40% of them 0.005.",
    )
    max_rows: int = Field(
        default=5_000,
        ge=100,
        description="Rows of either side that a check draws at most, by the hash of their row_id. "
        "Of labels and lengths all rows are counted, unless rows have clusters.",
    )
    embedding_rows: int = Field(
        default=500,
        ge=50,
        description="Rows of either side that the base model embeds, 64 tokens of each.",
    )
    permutations: int = Field(
        default=999, ge=199, le=100_000, description="Permutations behind a p-value."
    )
    newest_rows: int = Field(
        default=10, ge=0, le=100, description="Rows shown that the classifier finds most new."
    )
    seed: int = Field(default=0, ge=0, description="Seed of samples and permutations.")

    @model_validator(mode="after")
    def _drift_can_be_called(self) -> "DriftSettings":
        """The least p-value that permutations give must be able to pass the correction."""
        needed = least_permutations(self.false_discovery_rate)
        if self.permutations < needed:
            raise ValueError(
                f"with drift.permutations {self.permutations} no p-value can fall below "
                f"drift.false_discovery_rate {self.false_discovery_rate:g} after its correction, "
                f"and drift would never be called; set permutations to at least {needed}"
            )
        return self
