"""Settings of training."""

from pydantic import BaseModel, ConfigDict, Field


class TrainingSettings(BaseModel):
    """How a base model is fine-tuned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=2, ge=1, le=1000, description="Passes over the training split.")
    learning_rate: float = Field(
        default=1e-4, gt=0, le=1, description="Highest learning rate, reached after the warm-up."
    )
    batch_size: int = Field(
        default=16, ge=1, le=4096, description="Rows of one forward and backward pass."
    )
    gradient_accumulation_steps: int = Field(
        default=1, ge=1, le=1024, description="Batches whose gradients make one optimizer step."
    )
    warmup_ratio: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of the optimizer steps in which the learning rate rises from 0.",
    )
    weight_decay: float = Field(
        default=0.01, ge=0, le=1, description="AdamW's weight decay; none on biases and norms."
    )
    max_grad_norm: float = Field(
        default=1.0, gt=0, le=1e6, description="Gradients with a larger L2 norm are scaled to it."
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
