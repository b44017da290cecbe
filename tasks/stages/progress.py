"""How far a stage is, as a bar on the run's page in Prefect."""

import logging
from collections.abc import Callable
from typing import cast
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact

logger = logging.getLogger(__name__)


def show_progress(key: str, words: str = "training begins") -> Callable[[float, str], None]:
    """Put a bar on the run's page, and return the function that moves it to a percentage."""
    created = create_progress_artifact(0.0, key=key, description=words)
    artifact_id = cast("UUID", created)  # a coroutine only where an event loop runs

    def show(percent: float, words: str) -> None:
        try:
            update_progress_artifact(artifact_id, percent, words)
        except httpx.HTTPError as error:  # a bar that stands still must not end the work
            logger.warning("Prefect does not take the progress: %s", error)

    return show
