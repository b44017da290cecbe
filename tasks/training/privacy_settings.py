"""Settings of differential privacy."""

from typing import Self

from pydantic import Field, FiniteFloat, model_validator

from infra.settings_models import SettingsModel


class DifferentialPrivacySettings(SettingsModel):
    """How much the weights may tell of any one training row (DP-SGD, Abadi et al. 2016)."""

    target_epsilon: FiniteFloat | None = Field(
        default=None,
        gt=0,
        le=50,
        description="Privacy loss that all steps together may come to; the noise is the least that "
        "keeps within it. 1 to 10 is usual. Set this or noise_multiplier.",
    )
    noise_multiplier: FiniteFloat | None = Field(
        default=None,
        ge=0.1,
        le=1000,
        description="Standard deviation of the noise on a step's sum of gradients, in multiples of "
        "clip_norm; epsilon is what it comes to.",
    )
    delta: FiniteFloat = Field(
        default=1e-5,
        gt=0,
        lt=1,
        description="Probability with which epsilon may not hold; below 1 / training rows.",
    )
    clip_norm: FiniteFloat = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="L2 norm that the gradient of each row is scaled down to where it is larger. "
        "Without it a row could change the weights without limit, and there would be no epsilon.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.target_epsilon is None) == (self.noise_multiplier is None):
            seen = (
                "neither"
                if self.target_epsilon is None
                else f"target_epsilon {self.target_epsilon:g} and noise_multiplier "
                f"{self.noise_multiplier:g}"
            )
            raise ValueError(
                "the noise is set by target_epsilon or by noise_multiplier, and there is "
                f"{seen}; keep exactly one"
            )
        return self
