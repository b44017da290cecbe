"""The data of a line on its own: a check without training, and the way back from quarantine."""

from dataclasses import replace

from prefect import flow

from flows.config import DataConfig, ProofSettings
from flows.own_line import check_own_line
from flows.registered_settings import RegisteredDataConfig
from flows.run_hooks import tell_cancelled, tell_crashed, tell_failed
from tasks.notifications.settings import Notifications
from tasks.records.data import DataPage, Readmission
from tasks.reporting.data_section import DataEvidence
from tasks.stages.drift import measure_drift, measure_split_shift
from tasks.stages.evaluation import name_held_out
from tasks.stages.fairness import pin_swaps
from tasks.stages.ingestion import ingest, pin_source, readmit_rows
from tasks.stages.label_checks import check_labels
from tasks.stages.power import count_held_out, foresee
from tasks.stages.registry import find_reference
from tasks.stages.reporting import write_data_report
from tasks.stages.representation import represent
from tasks.stages.run_page import broken_contract_shown, show_checked_data
from tasks.stages.tokenization import name_scratch_tokens, pin_base_model
from tasks.stages.validation import pin_benchmarks, validate


@flow(
    name="check-data",
    flow_run_name="check data of {config.line}",
    persist_result=True,
    result_serializer="json",
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def check_data(
    config: DataConfig,
    proof: ProofSettings | None = None,
    notifications: Notifications = (),  # noqa: ARG001 - of a run that fails; see `run_hooks`
) -> DataPage:
    """Take a snapshot of a line's data, prove it, and report on it; nothing is trained.

    Args:
        config: what the line's data are.
        proof: what its candidates must prove, to say which gates the test rows can decide.
        notifications: the line's.
    """
    line = config.line
    check_own_line(line, config.task_type)
    source = pin_source(line, config.source)
    pretrained = pin_base_model(config.base_model)
    snapshot = ingest(source, config.source, config.splits, config.task_type)
    benchmarks = pin_benchmarks(config.leakage)
    with broken_contract_shown(line, snapshot):
        data = validate(
            snapshot, pretrained, benchmarks, config.contract, config.leakage, config.privacy,
            name_scratch_tokens(config.base_model),
        )  # fmt: skip
        labels = check_labels(data, snapshot, config.label_checks)
    representation = represent(data, config.representation)
    drift = measure_drift(data, find_reference(line, data), pretrained, config.drift)
    shifts = measure_split_shift(data, pretrained, config.drift)
    page = write_data_report(line, snapshot, data, representation, drift, labels, shifts)
    show_checked_data(DataEvidence(line, snapshot, data, representation, drift, labels, shifts))
    if proof is None:
        return page
    evaluation, fairness = proof.evaluation, proof.fairness
    held_out = count_held_out(
        data, fairness, proof.counterfactuals, pin_swaps(proof.counterfactuals),
        by_cluster=evaluation.by_cluster,
    )  # fmt: skip
    forecast = foresee(line, held_out, name_held_out(data), proof.policy, evaluation, fairness)
    return replace(page, forecast=forecast)


@flow(
    name="readmit",
    flow_run_name="readmit rows of {config.line}",
    persist_result=True,
    result_serializer="json",
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def readmit(
    config: RegisteredDataConfig,
    path: str,
    notifications: Notifications = (),  # noqa: ARG001 - of a run that fails; see `run_hooks`
) -> Readmission:
    """Take a repaired quarantine file back in; the next run reads its rows."""
    check_own_line(config.line, config.task_type)
    return readmit_rows(config.line, path, config.source, config.task_type)
