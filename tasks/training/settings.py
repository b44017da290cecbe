"""Settings of training."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from infra.errors import SettingsError
from infra.settings_models import SettingsModel
from tasks.training.preference_settings import PreferenceSettings
from tasks.training.privacy_settings import DifferentialPrivacySettings

if TYPE_CHECKING:
    from tasks.task_types.learner import Learner, Method


class TrainingSettings(SettingsModel):
    """How a base model is fine-tuned."""

    epochs: int = Field(default=2, ge=1, le=1000, description="Passes over the training split.")
    learning_rate: float = Field(
        default=1e-4, gt=0, le=1, description="Highest learning rate, reached after the warm-up."
    )
    batch_size: int = Field(
        default=16, ge=1, le=65_536, description="Rows whose gradients make one optimizer step."
    )
    tokens_per_pass: int = Field(
        default=2048,
        ge=16,
        le=4_194_304,
        description="Most tokens, padding included, of one forward and backward pass. The rows of "
        "a step are sorted by length and take as many passes as that needs; the gradient is that "
        "of all of them in one batch. Where memory does not suffice it is halved, and said so.",
    )
    batching: Literal["auto", "padded", "packed"] = Field(
        default="auto",
        description="How rows share a pass: side by side, filled up to the longest (padded), or "
        "one behind the other in one row (packed), with the same loss and gradient; auto takes "
        "what a short measurement on the device finds faster.",
    )
    precision: Literal["auto", "float32", "tf32", "bfloat16", "float16"] = Field(
        default="auto",
        description="Number format of the matrix products; auto takes the device's usual one, or "
        "what a short measurement finds faster. tf32 (NVIDIA GPUs) is not among those measured.",
    )
    compile: Literal["auto", "off", "on"] = Field(
        default="auto",
        description="Compile the model (torch.compile); auto measures it where there is a GPU.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Processes on this machine that train together, one a GPU where there are any.",
    )
    sharding: Literal["none", "fsdp"] = Field(
        default="none",
        description="none: each worker holds the whole model; fsdp: each holds a share of it, "
        "gradients and optimizer state included.",
    )
    method: Literal["full", "frozen", "unfreeze", "lora"] = Field(
        default="full",
        description="What learns: all parameters (full); the head alone (frozen); the head, and "
        "with each epoch more layers from the top (unfreeze); low-rank adapters and the head "
        "(lora), which are merged into the weights at the end.",
    )
    unfreeze_layers: int = Field(
        default=1, ge=1, le=128, description="unfreeze: layers more in each epoch after the first."
    )
    lora_rank: int = Field(default=8, ge=1, le=1024, description="lora: rank of the adapters.")
    lora_alpha: int = Field(
        default=16, ge=1, description="lora: the adapters' output is scaled by alpha / rank."
    )
    lora_dropout: float = Field(
        default=0.0, ge=0, lt=1, description="lora: dropout before the adapters."
    )
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Factor on the learning rate for each layer further from the head; 1: none.",
    )
    schedule: Literal["linear", "cosine", "constant", "inverse_sqrt", "on_plateau"] = Field(
        default="linear",
        description="Course of the learning rate after the warm-up; on_plateau divides it by 10 "
        "when the validation metric has not risen for plateau_epochs, and has no warm-up.",
    )
    plateau_epochs: int = Field(
        default=1, ge=0, le=100, description="on_plateau: epochs without a rise that are borne."
    )
    warmup_ratio: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of the optimizer steps in which the learning rate rises from 0.",
    )
    early_stopping_epochs: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="End after so many epochs without a better validation metric; None: never.",
    )
    dropout: float | None = Field(
        default=None, ge=0, lt=1, description="Dropout of all layers; None: the base model's own."
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: an example's loss counts by N / (L n), for n of N training rows "
        "with its label, of L labels.",
    )
    average_decay: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay of an exponential moving average of the weights, which is validated "
        "and kept in their place, for example 0.999; None: no average.",
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="Compute activations again in the backward pass, to save memory.",
    )
    weight_decay: float = Field(
        default=0.01, ge=0, le=1, description="AdamW's weight decay; none on biases and norms."
    )
    max_grad_norm: float = Field(
        default=1.0, gt=0, le=1e6, description="Gradients with a larger L2 norm are scaled to it."
    )
    select_by: str | None = Field(
        default=None,
        description="Metric of what the model writes that picks the best epoch, and that early "
        "stopping and on_plateau go by: chrf, bleu or rouge_l of translation and summarisation. "
        "None: the task type's own, for these the perplexity.",
    )
    select_rows: int = Field(
        default=200,
        ge=20,
        le=10_000,
        description="select_by: validation rows that the model writes for after each epoch, spread "
        "evenly over them.",
    )
    differential_privacy: DifferentialPrivacySettings | None = Field(
        default=None,
        description="Bound what the weights tell of any one training row (DP-SGD): gradients are "
        "clipped by row and noise is added to their sum. batch_size is then the rows of a step in "
        "the mean, and max_grad_norm has no effect. See docs/privacy.md.",
    )
    preference: PreferenceSettings | None = Field(
        default=None,
        description="How models of the task type preference learn; None: as its defaults say. See "
        "docs/preference.md.",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Probability spread over all classes in training."
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Of the new head, the dropout and the row order."
    )
    checkpoint_every_s: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        description="Seconds between checkpoints; each epoch also ends with one.",
    )
    keep_checkpoints: int = Field(
        default=2, ge=1, le=100, description="Newest checkpoints kept, beside the best epoch's."
    )

    @property
    def on_preferences(self) -> PreferenceSettings:
        """How preferences are learned, the defaults where nothing is said."""
        return self.preference or PreferenceSettings()

    @property
    def asks_of_the_task_type(self) -> bool:
        """Whether a setting is other than any task type knows."""
        return (
            self.class_weights != "none"
            or self.label_smoothing > 0
            or self.batching == "packed"
            or self.method == "frozen"
            or self.select_by is not None
            or self.differential_privacy is not None
            or self.preference is not None
        )

    @model_validator(mode="after")
    def _layers_decay_where_they_learn(self) -> Self:
        if self.method in {"frozen", "lora"} and self.layer_decay < 1:
            raise ValueError(
                f"layer_decay {self.layer_decay:g} has no effect with method {self.method}; set "
                "it to 1"
            )
        return self

    @model_validator(mode="after")
    def _shards_are_shared(self) -> Self:
        if self.sharding == "fsdp" and self.workers == 1:
            raise ValueError(
                "sharding fsdp shares a model between workers, and workers is 1; set workers to "
                "the number of GPUs"
            )
        return self

    @model_validator(mode="after")
    def _adapters_are_not_sharded(self) -> Self:
        if self.sharding == "fsdp" and self.method == "lora":
            raise ValueError(
                "sharding fsdp is not for method lora, whose adapters are small; set sharding to "
                "none"
            )
        return self

    @model_validator(mode="after")
    def _what_writes_is_whole(self) -> Self:
        if self.sharding == "fsdp" and self.select_by is not None:
            raise ValueError(
                f"select_by {self.select_by} lets the model write, which sharding fsdp parts; set "
                "sharding to none, or leave select_by out"
            )
        return self

    @model_validator(mode="after")
    def _private_steps_are_plain(self) -> Self:
        if self.differential_privacy is None:
            return self
        wrong = [
            f"{name} is {seen}; set it to {right}"
            for name, seen, right, is_wrong in (
                ("workers", self.workers, 1, self.workers > 1),
                ("batching", self.batching, "padded", self.batching == "packed"),
                ("compile", self.compile, "off", self.compile == "on"),
                ("precision", self.precision, "bfloat16", self.precision == "float16"),
                ("class_weights", self.class_weights, "none", self.class_weights != "none"),
            )
            if is_wrong
        ]
        if wrong:
            raise ValueError(
                "differential_privacy clips the gradient of each row by itself, and knows nothing "
                f"of all rows: {'; '.join(wrong)}"
            )
        return self

    @model_validator(mode="after")
    def _plateaus_need_no_warm_up(self) -> Self:
        if self.schedule == "on_plateau" and self.warmup_ratio > 0:
            raise ValueError(
                f"warmup_ratio {self.warmup_ratio:g} has no effect with schedule on_plateau; set "
                "it to 0"
            )
        return self


def check_method(task_type: str, learner: "type[Learner]", settings: TrainingSettings) -> None:
    """Refuse settings that a task type's loss does not know, before anything long starts.

    Raises:
        SettingsError: there is such a setting; the message names all of them.

    """
    asked: dict[Method, tuple[bool, str]] = {
        "class_weights": (
            settings.class_weights != "none",
            f"training.class_weights is {settings.class_weights}; set it to none",
        ),
        "label_smoothing": (
            settings.label_smoothing > 0,
            f"training.label_smoothing is {settings.label_smoothing:g}; set it to 0",
        ),
        "answer_pairs": (
            settings.preference is not None,
            "training.preference is set, and it compares no answers; leave it out",
        ),
    }
    wrong = [
        told for name, (is_set, told) in asked.items() if is_set and name not in learner.methods
    ]
    if settings.batching == "packed" and not learner.packs:
        wrong.append("training.batching is packed; set it to padded or auto")
    if settings.method == "frozen" and learner.couples_rows:
        wrong.append("training.method is frozen, and it has no head to train; set it to full")
    if settings.select_by is not None and settings.select_by not in learner.written_metrics:
        known = " or ".join(learner.written_metrics)
        meant = f"set it to {known}, or leave it out" if known else "leave it out"
        wrong.append(f"training.select_by is {settings.select_by}; {meant}")
    if settings.differential_privacy is not None and (why := learner.why_not_private):
        wrong.append(f"training.differential_privacy is set, and {why}; leave it out")
    if wrong:
        raise SettingsError(f"task_type {task_type} does not know this: {'; '.join(wrong)}")
