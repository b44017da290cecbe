"""What the gates of a line can decide with its test rows, before anything is trained."""

import logging
from dataclasses import replace

from infra.store import open_store
from infra.tracking import open_tracking
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.settings import FairnessSettings
from tasks.records.data import DataReport, SourceFile
from tasks.records.looks import HeldOut as NamedRows
from tasks.records.power import HeldOut, PowerForecast
from tasks.registry.settings import PolicySettings
from tasks.stages.caching import cached_stage, look_up

logger = logging.getLogger(__name__)


@cached_stage()
def count_held_out(
    data: DataReport,
    fairness: FairnessSettings,
    counterfactuals: CounterfactualSettings,
    word_files: tuple[SourceFile, ...],  # noqa: ARG001 - a changed list makes another key
    *,
    by_cluster: bool,
) -> HeldOut:
    """Count the test rows, by label, by compared group and by what gates will rest on."""
    from tasks.fairness.held_out import count_held_out_rows

    return count_held_out_rows(
        data, fairness, counterfactuals, by_cluster=by_cluster, store=open_store()
    )


@look_up
def foresee(
    line: str,
    held_out: HeldOut,
    named: NamedRows,
    policy: PolicySettings,
    evaluation: EvaluationSettings,
    fairness: FairnessSettings,
) -> PowerForecast:
    """Say with what probability each gate passes, and which are not asked or pass nothing."""
    from tasks.registry.fairness_gates import notes_on_fairness, split_by_rows
    from tasks.registry.looks import next_since_pass
    from tasks.registry.planned_power import foresee_power
    from tasks.registry.policy import share_of
    from tasks.registry.production_numbers import numbers_of_production
    from tasks.stages.run_page import show_forecast

    store, tracking = open_store(), open_tracking()
    asked, _ = split_by_rows(policy, held_out.gate_rows)
    since_pass, of_line = next_since_pass(line, named, store=store, tracking=tracking)
    forecast = foresee_power(
        policy.model_copy(update={"gates": (*policy.gates, *asked)}), held_out,
        numbers_of_production(line, tracking),
        margin=evaluation.margin, margins=evaluation.margins,
        min_group_rows=fairness.min_group_rows, look=share_of(policy, since_pass),
        golden=share_of(policy, of_line),
    )  # fmt: skip
    forecast = replace(forecast, notes=notes_on_fairness(policy, held_out.gate_rows))
    for warning in forecast.warnings:
        logger.warning("%s", warning)
    show_forecast(line, forecast)
    return forecast
