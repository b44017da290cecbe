"""From the recorded requests of a step to a verdict, which may be asked for at any time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from infra.errors import DataError, SettingsError
from infra.store import ObjectStore
from tasks.canary.comparisons import QUALITY, ComparedStep, compare
from tasks.canary.gates import Limits, judge_gate, limits_of
from tasks.canary.recorded_requests import Reading
from tasks.canary.said_labels import no_labels, read_labels
from tasks.records.canary import CanaryLook, CanaryStep
from tasks.records.registry import Production
from tasks.registry.canary_settings import CanarySettings, CanaryStepSettings
from tasks.task_types.row_shapes import shape_of
from tasks.verdicts import GateResult, Verdict


def judge_step(
    step: CanaryStep,
    settings: CanarySettings,
    versions: tuple[Production, Production],
    feedback_by: tuple[str, ...],
    at: datetime,
    store: ObjectStore,
) -> CanaryLook:
    """Compare the candidate with the version in production on the requests of a step.

    It may be called as often as one likes, and stopped at whenever it says so: what it promises
    holds over all looks together. What is missing or cannot be read is undetermined.

    Args:
        step: that the canary is at.
        settings: that the canary was started with; `step.number` counts their steps.
        versions: the one in production and the candidate, as they are registered. What only one of
            them can answer is a label as well: of a class that the candidate lacks, it is wrong.
        feedback_by: whose labels count; none: everybody's.
        at: the moment of the look, with its time zone; records of later requests are not counted.
        store: holds the recorded requests and the feedback.

    Raises:
        SettingsError: the settings have no such step, or another share at it.
        StoreError: the store cannot be asked.

    """
    asked, limits = _settings_of(step, settings), limits_of(settings)
    task_type = versions[1].task_type
    look = CanaryLook(step, (0, 0), (), Verdict.UNDETERMINED, "", at.isoformat())
    lasted = at - datetime.fromisoformat(step.since)
    if lasted <= timedelta(seconds=settings.settle_s):
        waited = f"the step began less than {settings.settle_s:g} s ago (canary.settle_s)"
        return replace(look, reason=waited)
    untold = _why_no_quality(task_type)
    try:
        found = compare(_reading(step, settings, versions, feedback_by, at, store), store)
    except DataError as error:
        return replace(look, reason=f"the records of the step cannot be read: {error}")
    sequences = [
        judge_gate(gate, found, limits, untold if gate == QUALITY else "") for gate in found.by_gate
    ]
    gates = tuple(one.result for one in sequences)
    verdict, reason = _decide(gates, limits, found, _still_waited_for(asked, found))
    points = tuple(point for one in sequences for point in one.points)
    return replace(
        look, requests=found.asked, gates=gates, verdict=verdict, reason=reason, points=points
    )


def _settings_of(step: CanaryStep, settings: CanarySettings) -> CanaryStepSettings:
    """Of the step.

    Raises:
        SettingsError: there is no such step.

    """
    steps = settings.steps
    if step.number <= len(steps) and steps[step.number - 1].share == step.share:
        return steps[step.number - 1]
    shares = ", ".join(f"{one.share:g}" for one in steps)
    raise SettingsError(
        f"the canary of {step.line} is at step {step.number} with share {step.share:g}, and the "
        f"settings that it is judged by have steps of the shares {shares}; right would be those "
        "that it was started with"
    )


def _reading(
    step: CanaryStep,
    settings: CanarySettings,
    versions: tuple[Production, Production],
    feedback_by: tuple[str, ...],
    at: datetime,
    store: ObjectStore,
) -> Reading:
    task_type = versions[1].task_type
    names = tuple(sorted({label for one in versions for label in one.labels}))
    until = min(at - timedelta(seconds=settings.settle_s), settings.over_at(step.started))
    said = no_labels()
    if not _why_no_quality(task_type):
        since, column = datetime.fromisoformat(step.since), str(shape_of(task_type).label_column)
        said = read_labels(step.line, since, until, column, names, feedback_by, store)
    return Reading(
        step=step,
        weights=(versions[0].weights_sha256, step.weights_sha256),
        labels=said,
        names=names,
        slow_ms=settings.slow_ms,
        compared=step.is_shadow and settings.max_disagreement is not None,
        until=until,
    )


def _why_no_quality(task_type: str) -> str:
    """Why answers are not held against labels; empty where they are."""
    if shape_of(task_type).has_one_class:
        return ""
    return (
        f"answers of the task type {task_type} are not held against labels: that asks for one "
        "label a row"
    )


def _still_waited_for(asked: CanaryStepSettings, found: ComparedStep) -> list[str]:
    """What a step has not come to yet, whatever its gates say."""
    waited, last = [], int(found.ends[-1])
    hours = (last - (last if found.begun is None else found.begun)) / 3.6e9  # of microseconds
    if hours < asked.hours:
        waited.append(
            f"{hours:.3g} of {asked.hours:g} hours have passed since the candidate was asked first"
        )
    if found.asked[1] < asked.requests:
        waited.append(f"the candidate was asked {found.asked[1]} of {asked.requests} requests")
    if found.strangers:
        waited.append(
            f"{found.strangers} rows are recorded under the number of a version that is compared, "
            "with weights that are not its own"
        )
    return waited


def _decide(
    gates: Sequence[GateResult], limits: Limits, found: ComparedStep, waited: list[str]
) -> tuple[Verdict, str]:
    """The verdict of a step, and what decides it or is still waited for."""
    failed = [gate for gate in gates if gate.verdict is Verdict.FAIL]
    if failed:
        return Verdict.FAIL, "; ".join(f"{gate.metric} fails: {gate.reason}" for gate in failed)
    asked = [gate for gate in gates if gate.metric in limits.waited_for]
    still = [
        f"{gate.metric} is undetermined: {gate.reason}"
        for gate in asked
        if gate.verdict is not Verdict.PASS
    ]
    if still or waited:
        return Verdict.UNDETERMINED, "; ".join([*still, *waited])
    names = ", ".join(gate.metric for gate in asked)
    return Verdict.PASS, f"{names} pass on {found.asked[1]} requests put to the candidate"
