"""The stages of a sweep: what a trial comes to on validation rows, its study, and its page."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.runtime import flow_run
from prefect.states import Crashed

from infra.code_digest import code_of
from infra.digests import as_json, digest_of
from infra.settings import load_settings
from infra.store import open_store
from infra.tracking import open_tracking
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport
from tasks.records.sweep import SweepOutcome, SweepResult, Timing, ValidationScores, WorstGroup
from tasks.records.training import Weights
from tasks.stages.caching import cached_stage, look_up
from tasks.stages.page_artifacts import show_link, show_markdown
from tasks.sweep.settings import SweepSettings
from tasks.sweep.study import SweepStudy
from tasks.verdicts import Estimate

logger = logging.getLogger(__name__)

# Prefect's name of the flow of one trial.
TRIAL_FLOW: Final = "sweep-trial"
_DIGITS: Final = 16  # of a study's digest


@cached_stage(gpu=True)
def evaluate_validation(
    weights: Weights, data: DataReport, task_type: str, settings: EvaluationSettings
) -> ValidationScores:
    """Measure a trial's model on the validation rows; no test row is read."""
    from tasks.evaluation.validation_rows import evaluate_on_validation

    return evaluate_on_validation(weights, data, task_type, settings, store=open_store())


@cached_stage(gpu=True)
def time_trial(
    weights: Weights,
    reference: Weights,
    data: DataReport,
    task_type: str,
    settings: EvaluationSettings,
) -> Timing:
    """Time a trial's model on validation rows, in turns with the sweep's reference."""
    from tasks.evaluation.validation_rows import time_beside

    return time_beside(weights, reference, data, task_type, settings, store=open_store())


@cached_stage()
def find_worst_group(
    scores: ValidationScores, data: DataReport, task_type: str, settings: FairnessSettings
) -> WorstGroup:
    """Find the group that a trial's model serves worst, of those with validation rows enough."""
    from tasks.fairness.worst_group import worst_group

    del task_type  # by it the key counts this task type's rows alone
    return worst_group(scores, data, settings, store=open_store())


def quality_of(metric: str, scored: Sequence[ValidationScores]) -> Estimate:
    """What a trial is judged by: a metric of its model, or its mean over several seeds."""
    from tasks.evaluation.validation_rows import over_seeds

    return over_seeds(metric, scored)


def study_name(line: str, made_of: Mapping[str, Any]) -> str:
    """The name of a sweep's study: the same for the same settings, rows, models and code.

    Args:
        line: the model line.
        made_of: all that shapes what a trial comes to; by its task type and other choices the
            code is told that counts.

    """
    chosen = as_json(dict(made_of))
    code = {
        name: code_of(module, name, chosen).digest
        for module, name in (
            ("tasks.stages.training", "train"),
            (__name__, "evaluate_validation"),
            (__name__, "find_worst_group"),
        )
    }
    return f"{line} {digest_of([chosen, code])[:_DIGITS]}"


def open_study(name: str, line: str, settings: SweepSettings, whole: frozenset[str]) -> SweepStudy:
    """The study of a sweep, in the database of this process's settings."""
    return SweepStudy(load_settings().sweeps_database, name, line, settings, whole)


def say(words: str) -> None:
    """Say something in the log of the run, and so on the console that follows it.

    Prefect loads the module of a deployment's flow under a name of its own, by which its log lines
    would not be told from those of libraries.
    """
    logger.info("%s", words)


def end_lost_trials(tag: str) -> int:
    """Have Prefect show as crashed the trials of a line whose process is gone.

    A trial runs in the process of its sweep, and a line's sweeps run one at a time; so what an
    earlier one left running is running no more.

    Args:
        tag: that the line's trials carry.

    Returns:
        How many there were.

    """
    if not flow_run.id or not load_settings().prefect_url:
        return 0
    open_states = [StateType.RUNNING, StateType.PENDING]
    with get_client(sync_client=True) as client:
        lost = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[TRIAL_FLOW])),
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[tag]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=open_states)),
            ),
        )
        for run in lost:
            state: Any = Crashed(message="the process of its sweep is gone")
            client.set_flow_run_state(run.id, state, force=True)
    return len(lost)


@look_up
def publish_sweep(result: SweepResult) -> SweepOutcome:
    """Put the page of a sweep into the store and MLflow, and its table on the run's page."""
    from tasks.reporting.summaries import artifact_key
    from tasks.reporting.sweep_page import sweep_markdown
    from tasks.reporting.sweep_publication import publish_sweep as publish

    outcome = publish(result, store=open_store(), tracking=open_tracking())
    if flow_run.id:
        line = result.line
        described = f"The trials of the sweep of {line}, and the point that is taken"
        show_markdown(
            sweep_markdown(result, outcome.settings), artifact_key("sweep", line), described
        )
        if outcome.page_url:
            key = artifact_key("sweep-page", line)
            show_link(outcome.page_url, f"Sweep of {line}", key, "All trials, with pictures")
    return outcome
