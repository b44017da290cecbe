"""Settings of abstention: which risk a classifier's answers keep to, and of what."""

from typing import Final, Literal

from pydantic import Field

from infra.settings_models import SettingsModel

FAMILY: Final = "abstention"
# What is measured of the test rows.
COVERAGE, SELECTIVE_RISK, ERROR_RATE = "coverage", "selective_risk", "error_rate"
SET_COVERAGE, SET_SIZE = "set_coverage", "set_size"
# Shares of the rows from which on thresholds are tried, each with its part of the error.
STARTS: Final = (0.25, 0.5, 0.75, 1.0)
# How far above a risk a division may land that is meant to reach it.
ROUNDING: Final = 1e-9
RiskOf = Literal["answers", "rows"]


class AbstentionSettings(SettingsModel):
    """Which answers a classifier withholds, so that those it gives keep to a risk."""

    risk: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Largest share that may be wrong. The threshold on the score is the one that "
        "answers most and keeps to it on the validation rows, with the guarantee of risk_of.",
    )
    risk_of: RiskOf = Field(
        default="answers",
        description="answers: of the answers that are given, at most risk are wrong, and this "
        "holds with `confidence` over draws of the validation rows (Learn then Test). rows: of all "
        "rows, at most risk are answered and wrong, in expectation (conformal risk control).",
    )
    confidence: float = Field(
        default=0.9,
        ge=0.5,
        lt=1,
        description="Of risk_of: answers, how surely the threshold keeps to the risk.",
    )
    set_coverage: float = Field(
        default=0.9,
        gt=0,
        lt=1,
        description="Share of rows whose right label is to be in the conformal set of labels.",
    )
    min_rows: int = Field(
        default=30,
        ge=5,
        description="Rows of a group or label, or answers of one, below which nothing is judged.",
    )
