"""Settings of a canary: what a candidate answers before it takes over, and what it must not do."""

from datetime import datetime, timedelta
from typing import Final, Self

from pydantic import Field, FiniteFloat, model_validator

from infra.settings_models import SettingsModel

# Of requests that the version in production does not answer nothing can be compared.
MOST_SHARE: Final = 0.95


class CanaryStepSettings(SettingsModel):
    """One step of a canary."""

    share: FiniteFloat = Field(
        ge=0,
        le=MOST_SHARE,
        description="Share of the requests that the candidate answers, drawn by the digest of the "
        "request's id. 0: it is asked them all, and its answers reach nobody (shadow). The "
        "version in production answers the others, which the candidate is compared with, so that "
        "it keeps a twentieth at least.",
    )
    hours: FiniteFloat = Field(
        default=1.0,
        ge=0,
        le=24 * 90,
        description="Hours that the step lasts at least from the first request that the candidate "
        "is asked in it, however clear the comparison is before; of the last step, the soak time.",
    )
    requests: int = Field(
        default=200,
        ge=1,
        le=10_000_000,
        description="Requests that the candidate must have been asked in the step at least.",
    )


class CanarySettings(SettingsModel):
    """How a candidate that passes every gate is tried on served requests before it is promoted."""

    steps: tuple[CanaryStepSettings, ...] = Field(
        default=(
            CanaryStepSettings(share=0),
            CanaryStepSettings(share=0.05),
            CanaryStepSettings(share=0.25),
        ),
        min_length=1,
        max_length=20,
        description="The steps, in order; shares may not fall. After the last one the candidate is "
        "promoted.",
    )
    max_days: FiniteFloat = Field(
        default=7.0,
        gt=0,
        le=365,
        description="Days after which a canary that is still undecided is refused.",
    )
    max_failure_increase: FiniteFloat = Field(
        default=0.01,
        gt=0,
        le=1,
        description="By how much the share of requests that fail may be greater than with the "
        "version in production: the gate canary.failure_increase.",
    )
    slow_ms: FiniteFloat = Field(
        default=1_000.0,
        gt=0,
        description="Milliseconds beyond which an answer is slow.",
    )
    max_slow_increase: FiniteFloat = Field(
        default=0.05,
        gt=0,
        le=1,
        description="By how much the share of slow answers may be greater than with the version in "
        "production: the gate canary.slow_increase.",
    )
    max_quality_loss: FiniteFloat | None = Field(
        default=None,
        gt=0,
        le=1,
        description="By how much the mean score of rows (1 for a right answer, 0 for a wrong one) "
        "may be lower than with the version in production, on rows whose label was sent to "
        "/feedback: the gate canary.quality_loss. Without it labels can stop a canary (at a "
        "loss of harm_loss), and none are waited for.",
    )
    harm_loss: FiniteFloat = Field(
        default=0.02,
        gt=0,
        le=1,
        description="Loss of quality on labelled rows that stops a canary where no "
        "max_quality_loss is set.",
    )
    max_disagreement: FiniteFloat | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of the rows of a shadow step whose answers may differ from those of "
        "production: the gate canary.disagreement; None: not asked.",
    )
    alpha: FiniteFloat = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="Chance that any end of a gate's confidence sequence is ever on the wrong side "
        "of the truth, over all looks at all steps of a canary.",
    )

    settle_s: FiniteFloat = Field(
        default=180.0,
        ge=0,
        le=86_400,
        description="Seconds after which what was recorded of a request lies in the store: its "
        "answer, and the time until recorded requests are written (serving.request_timeout_s and "
        "serving.record.flush_s). Later requests do not count yet, or those that are answered fast "
        "would come first.",
    )

    def over_at(self, started: str) -> datetime:
        """When a canary that began at a moment (ISO 8601) is over, whatever is known of it then."""
        return datetime.fromisoformat(started) + timedelta(days=self.max_days)

    @model_validator(mode="after")
    def _shares_do_not_fall(self) -> Self:
        for number, (before, after) in enumerate(zip(self.steps, self.steps[1:], strict=False), 2):
            if after.share < before.share:
                raise ValueError(
                    f"step {number} of the canary has the share {after.share:g}, less than the "
                    f"{before.share:g} of the one before; shares may not fall"
                )
        return self
