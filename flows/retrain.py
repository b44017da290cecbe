"""The main job: from a source to a proven version in production, or to a reasoned refusal."""

from prefect import flow
from prefect.runtime import flow_run

from flows.config import RetrainConfig
from tasks.data import ingest, measure_drift, pin_benchmarks, pin_source, represent, validate
from tasks.evaluation import evaluate
from tasks.fairness import assess
from tasks.records import Decision
from tasks.registry import (
    confirm_registered,
    find_champion,
    find_reference,
    judge,
    promote,
    register,
    stage,
)
from tasks.reporting import write_report
from tasks.tokenization import pin_base_model, tokenize
from tasks.training import train
from tasks.verdicts import Verdict


def _run_name() -> str:
    config = flow_run.parameters["config"]
    return f"retrain {config['line'] if isinstance(config, dict) else config.line}"


@flow(name="retrain", flow_run_name=_run_name, persist_result=True, result_serializer="json")
def retrain(config: RetrainConfig) -> Decision:
    """Retrain a model line, prove the candidate, and promote it if every gate passes."""
    line, task_type = config.line, config.task_type

    source = pin_source(line, config.source)
    base_model = pin_base_model(config.base_model)
    snapshot = ingest(source, config.source, config.splits, task_type)
    benchmarks = pin_benchmarks(config.leakage)
    data = validate(
        snapshot, base_model, benchmarks, config.contract, config.leakage, config.privacy
    )
    representation = represent(data, config.representation)
    drift = measure_drift(data, find_reference(line, data), base_model, config.drift)

    tokens = tokenize(data, base_model, task_type, config.tokenization)
    weights = train(line, tokens, base_model, task_type, config.training)

    champion = find_champion(line, weights)
    scores = evaluate(weights, data, champion, task_type, config.evaluation)
    fairness = assess(scores, data, config.fairness)
    version = register(
        line, snapshot, data, tokens, base_model, weights, scores, fairness, task_type
    )

    confirm_registered(version)

    staged = None
    judgement = judge(config.policy, scores, fairness, staged)
    if judgement.verdict is Verdict.PASS:
        staged = stage(version, weights, data, scores, config.staging)
        judgement = judge(config.policy, scores, fairness, staged)

    report = write_report(
        line, snapshot, data, representation, drift, tokens, base_model, weights, scores, fairness,
        version, staged, judgement,
    )  # fmt: skip
    return promote(version, judgement, report, champion)
