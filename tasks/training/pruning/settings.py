"""Settings of pruning."""

from typing import TYPE_CHECKING, Self

from pydantic import Field, FiniteFloat, model_validator

from infra.settings_models import SettingsModel

if TYPE_CHECKING:
    from tasks.training.settings import TrainingSettings


class PruningSettings(SettingsModel):
    """What of a trained model is cut away, and how it recovers."""

    neurons: FiniteFloat = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the feed-forward neurons that each layer loses: those whose removal "
        "would change the loss on training rows least.",
    )
    layers: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Layers that are removed, likewise the ones that matter least to the loss.",
    )
    rows: int = Field(
        default=256,
        ge=16,
        le=100_000,
        description="Training examples that say what matters, spread evenly over them.",
    )
    recovery_epochs: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Passes over the training split with the smaller model, with the other "
        "settings of training.",
    )
    recovery_learning_rate: float | None = Field(
        default=None, gt=0, le=1, description="Highest one of the recovery; None: training's own."
    )

    @model_validator(mode="after")
    def _something_is_cut(self) -> Self:
        if not self.neurons and not self.layers:
            raise ValueError(
                "neurons is 0 and layers is 0, so that nothing is cut away; set neurons to 0.5, "
                "say, or leave pruning out"
            )
        return self

    def recovery(self, training: "TrainingSettings") -> "TrainingSettings":
        """How the smaller model is trained on.

        Args:
            training: how the whole one was trained.

        """
        rate = self.recovery_learning_rate or training.learning_rate
        return training.model_copy(update={"epochs": self.recovery_epochs, "learning_rate": rate})
