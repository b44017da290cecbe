"""Settings of a sweep."""

import math
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, FiniteFloat, JsonValue, model_validator

from infra.settings_models import SettingsModel
from tasks.sweep.set_names import set_twice

# Of a study that must fit into one table and one page.
MOST_TRIALS: Final = 2_000
_NEAR: Final = 1e-9

CheapestBy = Literal["size", "latency", "cost"]


class SweptSetting(SettingsModel):
    """The values that a setting may take: a list of choices, or a range of numbers."""

    choices: Annotated[tuple[JsonValue, ...], Field(min_length=2)] | None = Field(
        default=None,
        description="The values to choose from; a list alone is short for it. Of a whole section "
        "(training) each is a mapping of several of its settings, which are then chosen together.",
    )
    low: FiniteFloat | None = Field(default=None, description="The least value of a range.")
    high: FiniteFloat | None = Field(default=None, description="The greatest value of a range.")
    log: bool = Field(
        default=False, description="Draw from the range's logarithm, as learning rates ask for."
    )
    step: FiniteFloat | None = Field(
        default=None, gt=0, description="Distance between the values of a range; None: any value."
    )

    @model_validator(mode="before")
    @classmethod
    def _list_is_choices(cls, given: Any) -> Any:
        return {"choices": given} if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def _choices_or_range(self) -> Self:
        ends = [name for name in ("low", "high") if getattr(self, name) is not None]
        if self.choices is not None and (ends or self.log or self.step is not None):
            raise ValueError("choices and a range (low, high, log, step) are two things; keep one")
        if self.choices is None and len(ends) < 2:  # noqa: PLR2004 - both
            raise ValueError(
                "a list of choices is needed, or a range with both ends, such as {low: 1.0e-5, "
                "high: 1.0e-3, log: true}"
            )
        texts = [repr(one) for one in self.choices or ()]
        if twice := sorted({one for one in texts if texts.count(one) > 1}):
            raise ValueError(f"the choices name {', '.join(twice)} twice; name each once")
        return self

    @model_validator(mode="after")
    def _range_rises(self) -> Self:
        low, high = self.low, self.high
        if low is None or high is None:
            return self
        if low >= high:
            raise ValueError(f"low {low:g} must be below high {high:g}")
        if self.log and low <= 0:
            raise ValueError(f"log draws from a logarithm, and low is {low:g}; set it above 0")
        if self.step is None:
            return self
        if self.log:
            raise ValueError("log and step are two ways to draw from a range; keep one of them")
        steps = (high - low) / self.step
        if steps < 1 - _NEAR or abs(steps - round(steps)) > _NEAR * max(1, steps):
            near = low + self.step * max(1, math.floor(steps))
            raise ValueError(
                f"from low {low:g} steps of {self.step:g} do not come to high {high:g}; right "
                f"would be high {near:g}"
            )
        return self


class SweepSettings(SettingsModel):
    """Which settings of a line are tried, and which of them is taken."""

    space: dict[
        Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)*$")],
        SweptSetting,
    ] = Field(
        min_length=1,
        description="What is varied: dotted names of settings below base_model, tokenization, "
        "training and distillation, each with a list of choices or a range: "
        "{training.learning_rate: {low: 1.0e-5, high: 1.0e-3, log: true}, training.batch_size: "
        "[8, 16, 32]}.",
    )
    trials: int = Field(
        default=20,
        ge=1,
        le=MOST_TRIALS,
        description="Trials in all; raised later, the same sweep goes on.",
    )
    seeds: int = Field(
        default=1,
        ge=1,
        le=20,
        description="Trainings of each trial, with training.seed and the numbers that follow it; "
        "its quality is their mean.",
    )
    metric: str | None = Field(
        default=None,
        min_length=1,
        description="What validation rows are judged in, such as macro_f1 or accuracy; None: the "
        "task type's leading metric.",
    )
    cheapest_within: FiniteFloat = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="Which point is taken: of those whose quality is within this share of the "
        "best, the cheapest. 0: the best.",
    )
    cheapest_by: CheapestBy = Field(
        default="size",
        description="What makes a point cheap: size (bytes of the model, which no clock "
        "measures, so that a sweep that was resumed takes the same point), latency (beside the "
        "first trial's model), or cost (of its training).",
    )
    machine_hour_cost: FiniteFloat | None = Field(
        default=None,
        gt=0,
        description="Money that an hour of the machine costs; None: the cost of a training is told "
        "in hours.",
    )
    startup_trials: int = Field(
        default=8,
        ge=1,
        le=MOST_TRIALS,
        description="Trials that are drawn at random before what they came to says where to look "
        "(tree-structured Parzen estimator, Bergstra et al. 2011).",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of what is tried.")

    @model_validator(mode="after")
    def _nothing_is_set_twice(self) -> Self:
        choices = {name: swept.choices for name, swept in self.space.items()}
        if twice := set_twice(choices):
            raise ValueError(
                f"space sets {', '.join(twice)} in more than one place; name each setting once"
            )
        return self
