"""Stage: fine-tuning, with progress on the run's page."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from infra.stages import cached_stage
from infra.store import open_store
from infra.tracking import open_tracking
from tasks.records import BaseModel, Tokens, TrainingPlan, Weights
from tasks.training.settings import TrainingSettings

logger = logging.getLogger(__name__)

_TASKS = Path(__file__).parents[1]
_INFRA = _TASKS.parent / "infra"
_SOURCES = (
    _TASKS / "task_types",
    _TASKS / "records",
    _INFRA / "base_models.py",
    _INFRA / "device.py",
)


@cached_stage(
    also=_SOURCES,
    libraries=("accelerate", "peft", "pyarrow", "tokenizers", "torch", "transformers"),
    gpu=True,
)
def train(
    line: str, tokens: Tokens, base: BaseModel, task_type: str, settings: TrainingSettings
) -> Weights:
    """Fine-tune the base model on the tokens."""
    from tasks.training.train import train_model

    progress = _progress_artifact(f"training-progress-{line}")
    return train_model(
        open_store(), open_tracking(), line, tokens, base, task_type, settings, progress
    )


@cached_stage(
    also=_SOURCES,
    libraries=("accelerate", "peft", "pyarrow", "tokenizers", "torch", "transformers"),
    gpu=True,
)
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


def _progress_artifact(key: str) -> Callable[[float, str], None]:
    """A bar on the run's page in Prefect, and the function that moves it."""
    created = create_progress_artifact(0.0, key=key, description="training begins")
    artifact_id = cast("UUID", created)  # a coroutine only where an event loop runs

    def show(percent: float, words: str) -> None:
        try:
            update_progress_artifact(artifact_id, percent, words)
        except httpx.HTTPError as error:  # a bar that stands still must not end the training
            logger.warning("Prefect does not take the progress: %s", error)

    return show
