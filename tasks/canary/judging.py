"""From the recorded requests of a step to a verdict, which may be asked for at any time."""

from datetime import datetime

from infra.store import ObjectStore
from tasks.records.canary import CanaryLook, CanaryStep
from tasks.registry.canary_settings import CanarySettings
from tasks.verdicts import Verdict


def judge_step(
    step: CanaryStep,
    settings: CanarySettings,
    task_type: str,
    labels: tuple[str, ...],
    at: datetime,
    store: ObjectStore,
) -> CanaryLook:
    """Compare the candidate with the version in production on the requests of a step.

    It may be called as often as one likes, and stopped at whenever it says so: what it promises
    holds over all looks together. What is missing or cannot be read is undetermined.

    Args:
        step: that the canary is at.
        settings: that the canary was started with; `step.number` counts their steps.
        task_type: of the line.
        labels: of the candidate; empty where its task type has none.
        at: the moment of the look; records of later requests are not counted.
        store: holds the recorded requests and the feedback.

    Raises:
        SettingsError: the settings have no such step, or another share at it.
        StoreError: the store cannot be asked.

    """
    del settings, task_type, labels, store
    reason = "the requests of a step are not compared yet"
    return CanaryLook(step, (0, 0), (), Verdict.UNDETERMINED, reason, at.isoformat())
