"""Fine-tuning, and what it would take."""

import logging

from infra.store import open_store
from infra.tracking import open_tracking
from tasks.records.lesson import Lesson, Reference
from tasks.records.training import BaseModel, Tokens, TrainingPlan, Weights
from tasks.stages.caching import cached_stage
from tasks.stages.page_artifacts import show_progress
from tasks.training.settings import TrainingSettings

logger = logging.getLogger(__name__)


@cached_stage(gpu=True)
def train(
    line: str,
    tokens: Tokens,
    base: BaseModel,
    task_type: str,
    settings: TrainingSettings,
    lesson: Lesson | Reference | None = None,
) -> Weights:
    """Fine-tune the base model on the tokens, and on what another model says of them."""
    from tasks.training.train import train_model

    progress = show_progress(f"training-progress-{line}")
    return train_model(
        open_store(), open_tracking(), line, tokens, base, task_type, settings, progress, lesson
    )


@cached_stage(gpu=True)
def plan(
    line: str, tokens: Tokens, base: BaseModel, task_type: str, settings: TrainingSettings
) -> TrainingPlan:
    """Estimate what the training would take, without beginning it."""
    from tasks.training.plan import plan_training

    found = plan_training(open_store(), open_tracking(), tokens, base, task_type, settings)
    logger.info(
        "%s: %s parameters, %.1f%% of them learn; %s steps, about %.0f min on %s, %.0f MB",
        line, f"{found.parameters:,}", 100 * found.learning_share, f"{found.steps:,}",
        found.training_s / 60, found.device, found.memory_mb,
    )  # fmt: skip
    return found
