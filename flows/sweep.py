"""Choice by a sweep: a line's settings are tried on validation rows, and one point is taken.

No test row is read here: a look at them is paid for, and the point that is taken is judged by them
once, when `retrain/LINE` runs with it as with any other settings.
"""

from typing import Any, NamedTuple

from prefect import Flow, flow, tags
from prefect.runtime import flow_run

from flows.clean_rows import clean_rows
from flows.config import RetrainConfig
from flows.learning import find_models, lesson_of, reference_of
from flows.own_line import check_own_line
from flows.registered_settings import RegisteredConfig
from flows.run_hooks import tell_cancelled, tell_crashed, tell_failed
from flows.sweep_checks import (
    is_rising,
    line_of_trial,
    lines_at_corners,
    metric_of_sweep,
    whole_numbers,
)
from infra.digests import digest_of
from infra.errors import SettingsError, TrainingError
from tasks.records.data import DataReport
from tasks.records.sweep import Measurement, SweepOutcome, SweepResult, Trial
from tasks.records.training import BaseModel, Weights
from tasks.stages.distillation import check_teacher_labels
from tasks.stages.evaluation import scale_temperature
from tasks.stages.page_artifacts import show_progress
from tasks.stages.slots import keep_gpu_slot
from tasks.stages.sweep import (
    TRIAL_FLOW,
    end_lost_trials,
    evaluate_validation,
    find_worst_group,
    open_study,
    publish_sweep,
    quality_of,
    say,
    study_name,
    time_trial,
)
from tasks.stages.tokenization import build_base_model, tokenize
from tasks.stages.training import train
from tasks.sweep.front import best_of, front_of, rule_in_words, taken_of
from tasks.sweep.settings import SweepSettings
from tasks.sweep.study import Asked, SweepStudy, check_installed
from tasks.verdicts import Estimate


class _Ground(NamedTuple):
    """What all trials of a sweep have in common.

    Attributes:
        line: the line's settings, without the sweep.
        metric: that quality is measured in.
        teacher: digest of the teacher that the line names; empty without one, or where several
            are tried.

    """

    line: RetrainConfig
    settings: SweepSettings
    metric: str
    rising: bool
    whole: frozenset[str]
    data: DataReport
    teacher: str


def _run_name() -> str:
    config = flow_run.parameters["config"]
    return f"sweep {config['line'] if isinstance(config, dict) else config.line}"


@flow(
    name="sweep",
    flow_run_name=_run_name,
    persist_result=True,
    result_serializer="json",
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def sweep(*, config: RegisteredConfig) -> SweepOutcome:
    """Try settings of a line on its validation rows, and take one point of those on the front.

    The same settings go on with the same trials, whatever cut the last run off. Nothing is
    registered or promoted.

    Args:
        config: the line's settings, with what is to be tried under `sweep`.
    """
    settings = _settings_of(config)
    check_own_line(config.line, config.task_type)
    check_installed()
    end_lost_trials(_tag(config.line))
    ground, study = _prepare(config, settings)
    _make_trials(ground, study)
    result = _result(ground, study)
    if result.taken is None:
        raise TrainingError(
            f"none of the {len(result.trials)} trials of the sweep came to a number; the last "
            f"one: {result.trials[-1].reason}"
        )
    outcome = publish_sweep(result)
    say(f"trial {result.taken} is taken, {result.rule}")
    return outcome


def _settings_of(config: RetrainConfig) -> SweepSettings:
    if config.sweep is None:
        raise SettingsError(
            f"the settings of {config.line} have no section `sweep`, which says what is to be "
            "tried, for example sweep: {space: {training.learning_rate: {low: 1.0e-5, high: "
            "1.0e-3, log: true}}, trials: 20}"
        )
    return config.sweep


def _tag(line: str) -> str:
    return f"line:{line}"


def _prepare(config: RetrainConfig, settings: SweepSettings) -> tuple[_Ground, SweepStudy]:
    """The rows, the models that every corner of the space names, and the study."""
    line = line_of_trial(config, {})
    found = {}
    for one in (line, *lines_at_corners(config, settings)):
        held_against = one.training.on_preferences.reference
        key = digest_of([one.base_model, one.distillation, one.tokenization, held_against])
        if key not in found:  # what is missing is said now, and not by the trial that needs it
            found[key] = find_models(one)
    pretrained, teacher = next(iter(found.values()))
    data = clean_rows(line, pretrained)
    if teacher:
        check_teacher_labels(teacher, data)
    metric, whole = metric_of_sweep(line.task_type, settings), whole_numbers(config, settings)
    own = teacher.model.sha256 if teacher and not _varies_teacher(settings) else ""
    ground = _Ground(line, settings, metric, is_rising(line.task_type, metric), whole, data, own)
    name = _name(ground, pretrained)
    study = open_study(name, line.line, settings, whole)
    made, cut = len(study.trials), study.cut_off()
    if made or cut:
        again = f"; {cut} that was cut off is made again" if cut else ""
        say(f"the sweep {name} goes on after {made} finished trials{again}")
    return ground, study


def _varies_teacher(settings: SweepSettings) -> bool:
    """Whether a space tries several teachers."""
    return any(
        name == "distillation" or f"{name}.".startswith("distillation.teacher.")
        for name in settings.space
    )


def _name(ground: _Ground, pretrained: BaseModel | None) -> str:
    """The study's name, by all that shapes what a trial comes to but the number of trials."""
    line, settings = ground.line, ground.settings
    reference = reference_of(line, pretrained) if pretrained else None
    return study_name(
        line.line,
        {
            "space": settings.space,
            "drawn": [settings.seeds, settings.startup_trials, settings.seed],
            "metric": ground.metric,
            "rows": ground.data.clean.sha256,
            "task_type": line.task_type,
            "base_model": line.base_model,
            "pretrained": pretrained.sha256 if pretrained else "",
            "tokenization": line.tokenization,
            "training": line.training,
            "distillation": line.distillation,
            "teacher": ground.teacher,
            "reference": reference.sha256 if reference else "",
            "evaluation": line.evaluation.of_one_model,
            "fairness": line.fairness,
        },
    )


def _make_trials(ground: _Ground, study: SweepStudy) -> None:
    """Make what is asked, one after the other, until nothing is."""
    planned, line = ground.settings.trials, ground.line.line
    show = show_progress(f"sweep-progress-{line}", "the sweep begins")
    while not study.why_no_more():
        asked = study.ask()
        show(100 * (asked.number - 1) / planned, f"trial {asked.number} of {planned}")
        made, weights = _try(ground, asked, study.reference)
        if weights is not None and study.reference is None:
            study.keep_reference(weights)
        study.tell(asked, made, greater_is_better=ground.rising)
        say(f"trial {asked.number} of {planned}: {_in_words(made, ground.metric)}")
    show(100.0, study.why_no_more())


def _try(ground: _Ground, asked: Asked, reference: Weights | None) -> tuple[Trial, Weights | None]:
    """Make one trial; one whose training cannot go on comes to nothing, with the reason."""
    try:
        with tags(_tag(ground.line.line)):
            return _trial_flow(ground, reference)(asked.number, asked.settings)
    except TrainingError as error:
        return Trial(asked.number, asked.settings, reason=str(error)), None


def _trial_flow(
    ground: _Ground, reference: Weights | None
) -> "Flow[[int, dict[str, Any]], tuple[Trial, Weights]]":
    """The Prefect flow of a trial, whose parameters are what it tries, and nothing else."""

    @flow(
        name=TRIAL_FLOW,
        flow_run_name=f"trial {{number}} of {ground.line.line}",
        persist_result=False,
    )
    def trial(number: int, settings: dict[str, Any]) -> tuple[Trial, Weights]:
        """Train and measure a line with some of its settings in place.

        Args:
            number: of the trial, from 1.
            settings: value by dotted name.
        """
        return _measure(ground, number, settings, reference)

    return trial


def _measure(
    ground: _Ground, number: int, settings: dict[str, Any], reference: Weights | None
) -> tuple[Trial, Weights]:
    config, data = line_of_trial(ground.line, settings), ground.data
    task_type, evaluation = config.task_type, config.evaluation.of_one_model
    pretrained, teacher = find_models(config)
    if teacher:
        if ground.teacher and teacher.model.sha256 != ground.teacher:
            raise SettingsError(
                f"{teacher.name} teaches now, and another model taught the trials before; trials "
                "of two teachers do not compare: run the sweep again, which then begins anew"
            )
        check_teacher_labels(teacher, data)
    base = pretrained or build_base_model(data, config.base_model)
    tokens = tokenize(data, base, task_type, config.tokenization)
    with keep_gpu_slot():
        lesson = lesson_of(config, tokens, base, teacher)
        models = []
        for more in range(ground.settings.seeds):
            training = config.training.model_copy(update={"seed": config.training.seed + more})
            weights = train(config.line, tokens, base, task_type, training, lesson)
            if evaluation.temperature_scaling:
                weights = scale_temperature(weights, data, task_type)
            models.append(weights)
        scored = [evaluate_validation(one, data, task_type, evaluation) for one in models]
        timing = time_trial(models[0], reference or models[0], data, task_type, evaluation)
    worst = find_worst_group(scored[0], data, task_type, config.fairness)
    made = Trial(
        number=number,
        settings=settings,
        quality=_measurement(quality_of(ground.metric, scored)),
        worst_group=(worst.score, worst.group) if worst.score is not None else None,
        latency=_measurement(timing.ratio),
        latency_ms=timing.latency_ms,
        size_bytes=scored[0].size_bytes,
        training_s=sum(one.training_s for one in models) / len(models),
        weights_sha256=tuple(one.artifact.sha256 for one in models),
        run_ids=tuple(one.run_id for one in models),
    )
    return made, models[0]


def _measurement(estimate: Estimate) -> Measurement:
    value, low, high = estimate.value, estimate.low, estimate.high
    assert value is not None  # noqa: S101 - who makes it raises where there is no number
    assert low is not None  # noqa: S101
    assert high is not None  # noqa: S101
    return Measurement(value, low, high)


def _in_words(trial: Trial, metric: str) -> str:
    tried = ", ".join(f"{name} {value}" for name, value in trial.settings.items())
    if trial.quality is None:
        return f"{tried}: {trial.reason}"
    return (
        f"{tried}: {metric} {trial.quality.value:.4g} "
        f"[{trial.quality.low:.4g}, {trial.quality.high:.4g}]"
    )


def _result(ground: _Ground, study: SweepStudy) -> SweepResult:
    """What all trials come to, and which of them is taken."""
    settings, trials, rising = ground.settings, study.trials, ground.rising
    best = best_of(trials, greater_is_better=rising)
    taken = taken_of(
        trials, settings.cheapest_within, settings.cheapest_by, greater_is_better=rising
    )
    return SweepResult(
        line=ground.line.line,
        study=study.name,
        metric=ground.metric,
        greater_is_better=rising,
        rows=ground.data.rows_by_split["validation"],
        planned=settings.trials,
        trials=trials,
        front=tuple(front_of(trials, greater_is_better=rising)),
        best=best.number if best else None,
        taken=taken.number if taken else None,
        rule=rule_in_words(settings.cheapest_within, settings.cheapest_by),
        machine_hour_cost=settings.machine_hour_cost,
        note=study.why_no_more() if len(trials) < settings.trials else "",
    )
