"""The main job: from a source to a proven version in production, or to a reasoned refusal."""

from dataclasses import replace

from prefect import flow
from prefect.runtime import flow_run

from flows.config import RetrainConfig
from flows.own_line import check_own_line
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.registry import Decision
from tasks.records.training import BaseModel, Tokens, TrainingPlan, Weights
from tasks.stages.drift import measure_drift, measure_split_shift
from tasks.stages.evaluation import evaluate, measure_recipe, name_held_out, scale_temperature
from tasks.stages.fairness import (
    assess,
    count_gate_rows,
    pin_swaps,
    score_counterfactuals,
)
from tasks.stages.golden import hold_out_golden, score_golden
from tasks.stages.ingestion import ingest, pin_source
from tasks.stages.label_checks import check_labels, find_label_errors
from tasks.stages.power import count_held_out, foresee
from tasks.stages.registry import (
    confirm_production,
    confirm_registered,
    find_anchor,
    find_champion,
    find_reference,
    foresee_fairness,
    judge,
    promote,
    record_look,
    register,
    settle_look,
    stage,
)
from tasks.stages.reporting import write_report
from tasks.stages.representation import represent
from tasks.stages.run_page import broken_contract_shown, show_decision
from tasks.stages.slots import keep_gpu_slot
from tasks.stages.tokenization import (
    build_base_model,
    name_scratch_tokens,
    pin_base_model,
    tokenize,
)
from tasks.stages.training import plan, train
from tasks.stages.validation import pin_benchmarks, validate
from tasks.verdicts import Verdict


def _train_recipe(
    config: RetrainConfig,
    tokens: Tokens,
    base_model: BaseModel,
    data: DataReport,
    weights: Weights,
    scores: Scores,
) -> Scores:
    """Train and test the further models of the recipe; the candidate stays who it was."""
    first, settings = config.training.seed, config.evaluation.of_one_model
    seeds = [first + more for more in range(config.evaluation.seeds)]
    trained, tested = [weights], []
    for seed in seeds[1:]:
        training = config.training.model_copy(update={"seed": seed})
        trained.append(train(config.line, tokens, base_model, config.task_type, training))
        tested.append(evaluate(trained[-1], data, None, config.task_type, settings))
    return measure_recipe(scores, tested, seeds, [one.artifact.sha256 for one in trained])


def _run_name() -> str:
    config = flow_run.parameters["config"]
    return f"retrain {config['line'] if isinstance(config, dict) else config.line}"


@flow(name="retrain", flow_run_name=_run_name, persist_result=True, result_serializer="json")
def retrain(*, dry_run: bool = False, config: RetrainConfig) -> Decision | TrainingPlan:
    """Retrain a model line, prove the candidate, and promote it if every gate passes.

    Args:
        dry_run: check the settings and the data, and only estimate what the training would take.
        config: the line's settings; its name is that of the deployment.
    """
    line, task_type = config.line, config.task_type
    check_own_line(line)

    if not dry_run:
        confirm_production(line, config.registry.on_outside_move)
    source = pin_source(line, config.source)
    pretrained = pin_base_model(config.base_model)
    snapshot = ingest(source, config.source, config.splits, task_type)
    golden = hold_out_golden(config.golden_sets, task_type, config.behaviour_gates)
    benchmarks = pin_benchmarks(config.leakage)
    swaps = pin_swaps(config.counterfactuals)
    with broken_contract_shown(line, snapshot):
        data = validate(
            snapshot, pretrained, benchmarks, config.contract, config.leakage, config.privacy,
            name_scratch_tokens(config.base_model), golden,
        )  # fmt: skip
        labels = check_labels(data, snapshot, config.label_checks)
    representation = represent(data, config.representation)
    drift = measure_drift(data, find_reference(line, data), pretrained, config.drift)
    shifts = measure_split_shift(data, pretrained, config.drift)
    held_out = count_held_out(data, config.fairness, by_cluster=config.evaluation.by_cluster)
    forecast = foresee(line, held_out, config.policy, config.evaluation, config.fairness)

    base_model = pretrained or build_base_model(data, config.base_model)
    tokens = tokenize(data, base_model, task_type, config.tokenization)
    if dry_run:
        counted = count_gate_rows(data, task_type, config.fairness, config.counterfactuals)
        planned = plan(line, tokens, base_model, task_type, config.training)
        planned = replace(planned, forecast=forecast)
        return foresee_fairness(planned, config.policy, counted)
    with keep_gpu_slot():
        weights = train(line, tokens, base_model, task_type, config.training)
        if config.evaluation.temperature_scaling:
            weights = scale_temperature(weights, data, task_type)

        champion, anchor = find_champion(line, weights), find_anchor(line, weights)
        look = record_look(line, weights, name_held_out(data), config.policy)
        measured = evaluate(
            weights, data, champion, task_type, config.evaluation.of_test_rows, snapshot, anchor,
            look.fresh, config.splits.fresh,
        )  # fmt: skip
        scores = find_label_errors(measured, labels, weights, data, task_type, config.label_checks)
        assessed = assess(scores, data, config.fairness)
        fairness = score_counterfactuals(
            assessed, scores, weights, data, task_type, config.counterfactuals, swaps
        )
        if config.evaluation.seeds > 1:
            scores = _train_recipe(config, tokens, base_model, data, weights, scores)
        golden_scores = score_golden(weights, data, champion, golden, task_type, config.evaluation)
    version = register(
        line, snapshot, data, tokens, base_model, weights, scores, fairness, task_type,
        config.described_card, golden_scores,
    )  # fmt: skip

    confirm_registered(version)

    staged = None
    judgement = judge(config.policy, scores, fairness, staged, look, golden_scores)
    if judgement.verdict is Verdict.PASS:
        staged = stage(version, weights, data, scores, config.staging)
        judgement = judge(config.policy, scores, fairness, staged, look, golden_scores)
    settle_look(look, judgement)

    report = write_report(
        line, snapshot, data, representation, drift, tokens, base_model, weights, scores, fairness,
        version, staged, judgement, config.described_card, golden_scores, shifts,
    )  # fmt: skip
    decision = promote(version, judgement, report, champion, staged, scores)
    show_decision(decision)
    return decision
