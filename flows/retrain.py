"""The main job: from a source to a proven version in production, or to a reasoned refusal."""

from dataclasses import replace
from typing import NamedTuple

from prefect import flow
from prefect.runtime import flow_run

from flows import domains, memory
from flows.config import RetrainConfig
from flows.learning import (
    check_can_be_cut,
    find_models,
    find_translators,
    lesson_of,
    pruned,
)
from flows.own_line import check_own_line
from flows.run_hooks import tell_cancelled, tell_crashed, tell_failed
from tasks.notifications.messages import of_decision
from tasks.records.augmentation import Augmentation
from tasks.records.back_translation import Translators
from tasks.records.data import (
    DataReport,
    Drift,
    Representation,
    Snapshot,
    SourceFile,
    SourceVersion,
)
from tasks.records.distillation import Teacher
from tasks.records.evaluation import Champion, Scores
from tasks.records.fairness import Fairness
from tasks.records.golden import GoldenScores, GoldenSets
from tasks.records.harm import Scorer
from tasks.records.judged_version import JudgedVersion
from tasks.records.label_checks import LabelChecks
from tasks.records.leave_one_domain_out import Domains
from tasks.records.lesson import Lesson, Reference
from tasks.records.looks import Look
from tasks.records.power import PowerForecast
from tasks.records.registry import Decision
from tasks.records.split_shift import SplitShifts
from tasks.records.training import BaseModel, Tokens, TrainingPlan, Weights
from tasks.registry.ledger import AWAITING
from tasks.stages.abstention import (
    check_validation_rows,
    fit_abstention,
    measure_abstention,
)
from tasks.stages.approval import by_policy_or_person, check_can_wait
from tasks.stages.augmentation import augment, measure_augmentation, pin_swap_lists
from tasks.stages.back_translation import back_translate
from tasks.stages.compression import compress
from tasks.stages.distillation import check_teacher_labels
from tasks.stages.drift import measure_drift, measure_split_shift
from tasks.stages.evaluation import evaluate, measure_recipe, name_held_out, scale_temperature
from tasks.stages.explanation import explain, pin_rationales
from tasks.stages.fairness import (
    assess,
    pin_swaps,
    score_counterfactuals,
)
from tasks.stages.golden import hold_out_golden, score_golden
from tasks.stages.ingestion import ingest, pin_source
from tasks.stages.label_checks import check_labels, find_label_errors
from tasks.stages.mitigation import remove_attribute, reweigh, tell_groups
from tasks.stages.notifications import announce, run_url
from tasks.stages.outside_moves import settle_outside_moves
from tasks.stages.power import count_held_out, foresee
from tasks.stages.probes import (
    pin_harm_files,
    pin_out_of_distribution_texts,
    pin_probe_files,
    pin_scorer,
    probe_harm,
    probe_language_bias,
    probe_out_of_distribution,
    probe_robustness,
)
from tasks.stages.registry import (
    confirm_production,
    confirm_registered,
    find_anchor,
    find_champion,
    find_reference,
    judge,
    record_look,
    register,
    settle_look,
    stage,
)
from tasks.stages.reporting import write_report
from tasks.stages.representation import represent
from tasks.stages.run_page import broken_contract_shown, show_decision
from tasks.stages.slots import keep_gpu_slot
from tasks.stages.source_watch import keep_source_use
from tasks.stages.tokenization import build_base_model, name_scratch_tokens, tokenize
from tasks.stages.training import plan, train
from tasks.stages.validation import pin_benchmarks, validate
from tasks.stages.version_states import show_version_states
from tasks.training.settings import TrainingSettings
from tasks.verdicts import Verdict


class _Rows(NamedTuple):
    """The rows of a line, and what is known of them before anything is trained."""

    snapshot: Snapshot
    data: DataReport
    golden: GoldenSets | None
    labels: LabelChecks
    representation: Representation
    drift: Drift | None
    shifts: SplitShifts
    swaps: tuple[SourceFile, ...]
    forecast: PowerForecast
    probe_files: tuple[SourceFile, ...]
    rationales: SourceFile | None
    out_of_distribution_texts: SourceFile | None
    harm_files: tuple[SourceFile, ...]
    scorer: Scorer | None
    domains: Domains | None


class _Candidate(NamedTuple):
    """A trained model, and what is known of it before it is registered."""

    weights: Weights
    champion: Champion | None
    look: Look
    scores: Scores
    fairness: Fairness
    golden: GoldenScores | None


def _run_name() -> str:
    config = flow_run.parameters["config"]
    return f"retrain {config['line'] if isinstance(config, dict) else config.line}"


@flow(
    name="retrain",
    flow_run_name=_run_name,
    persist_result=True,
    result_serializer="json",
    on_failure=[tell_failed],
    on_crashed=[tell_crashed],
    on_cancellation=[tell_cancelled],
)
def retrain(*, dry_run: bool = False, config: RetrainConfig) -> Decision | TrainingPlan:
    """Retrain a model line, prove the candidate, and promote it if every gate passes.

    Args:
        dry_run: check the settings and the data, and only estimate what the training would take.
        config: the line's settings; its name is that of the deployment.
    """
    line, task_type = config.line, config.task_type
    check_own_line(line, task_type)
    if not dry_run:
        check_can_wait(config.policy.approval)
        settle_outside_moves(line, config.registry.on_outside_move, config.notifications)
        waiting = confirm_production(line, config.registry.on_outside_move)
        if waiting:  # this run asked a person, and was resumed
            return _decide(waiting, config)

    pretrained, teacher = find_models(config)
    translators = find_translators(config)
    source = pin_source(line, config.source)
    if not dry_run:
        keep_source_use(line, source)
    rows = _check_rows(config, pretrained, source)
    if teacher:
        check_teacher_labels(teacher, rows.data)
    base_model = pretrained or _build(config, rows.data)
    new_rows = _augment(config, rows, pretrained, translators)
    canaries = memory.planted(config)
    tokens = tokenize(rows.data, base_model, task_type, config.tokenization, new_rows, canaries)
    tokens = _mitigated(config, rows.data, tokens)
    if dry_run:
        planned = plan(line, tokens, base_model, task_type, config.training)
        return replace(planned, forecast=rows.forecast)
    with keep_gpu_slot():
        candidate = _train_and_measure(config, rows, tokens, base_model, teacher)
    judged = _register_and_judge(config, rows, tokens, base_model, candidate, new_rows)
    return _decide(judged, config)


def _decide(judged: JudgedVersion, config: RetrainConfig) -> Decision:
    """Promote a version or refuse it; where the policy asks a person, by that person's word."""
    decision = by_policy_or_person(judged, config.policy.approval_days, config.notifications)
    show_decision(decision)
    show_version_states(decision.line)
    if decision.action != AWAITING:  # another run asks a person about the same candidate
        announce(of_decision(decision, run_url()), config.notifications)
    return decision


def _check_rows(
    config: RetrainConfig, pretrained: BaseModel | None, source: SourceVersion
) -> _Rows:
    """From the sources to clean rows, and to what the gates can decide with them."""
    line, task_type, evaluation = config.line, config.task_type, config.evaluation
    # What is wrong with them is said before anything takes long.
    bias, explanation = config.probes.language_bias, config.explanation
    probe_files = pin_probe_files(bias) if bias else ()
    rationales = pin_rationales(explanation) if explanation else None
    outside = config.probes.out_of_distribution
    outside_texts = pin_out_of_distribution_texts(outside) if outside else None
    harm = config.probes.harm
    harm_files = pin_harm_files(harm) if harm else ()
    scorer = pin_scorer(harm.scorer) if harm and harm.scorer else None
    snapshot = ingest(source, config.source, config.splits, task_type)
    golden = hold_out_golden(config.golden_sets, task_type, config.behaviour_gates)
    benchmarks = pin_benchmarks(config.leakage)
    with broken_contract_shown(line, snapshot):
        data = validate(
            snapshot, pretrained, benchmarks, config.contract, config.leakage, config.privacy,
            name_scratch_tokens(config.base_model), golden,
        )  # fmt: skip
        labels = check_labels(data, snapshot, config.label_checks)
    if config.abstention:
        check_validation_rows(data, task_type, config.abstention)
    left_out = domains.found(config, data, snapshot)
    representation = represent(data, config.representation)
    drift = measure_drift(data, find_reference(line, data), pretrained, config.drift)
    shifts = measure_split_shift(data, pretrained, config.drift)
    swaps = pin_swaps(config.counterfactuals)
    held_out = count_held_out(
        data, config.fairness, config.counterfactuals, swaps, by_cluster=evaluation.by_cluster
    )
    forecast = foresee(
        line, held_out, name_held_out(data), config.policy, evaluation, config.fairness
    )
    return _Rows(
        snapshot, data, golden, labels, representation, drift, shifts, swaps, forecast, probe_files,
        rationales, outside_texts, harm_files, scorer, left_out,
    )  # fmt: skip


def _build(config: RetrainConfig, data: DataReport) -> BaseModel:
    """A base model of random weights, where the line names none that is trained."""
    built = build_base_model(data, config.base_model)
    check_can_be_cut(config, built)
    return built


def _augment(
    config: RetrainConfig,
    rows: _Rows,
    pretrained: BaseModel | None,
    translators: Translators | None,
) -> Augmentation | None:
    """New training rows of those there are; None where the line asks for none."""
    if config.augmentation is None:
        return None
    translations = None
    if translators and config.augmentation.back_translation:
        translations = back_translate(
            rows.data, rows.golden, config.task_type, config.augmentation.back_translation,
            config.augmentation.seed, translators,
        )  # fmt: skip
    return augment(
        rows.data, pretrained, rows.golden, config.task_type, config.augmentation,
        config.contract, config.leakage, config.privacy, name_scratch_tokens(config.base_model),
        pin_benchmarks(config.leakage), pin_swap_lists(config.augmentation.swaps), translations,
    )  # fmt: skip


def _mitigated(config: RetrainConfig, data: DataReport, tokens: Tokens) -> Tokens:
    """The training examples as the line weighs them; as they are where it does not."""
    mitigation, groups = config.mitigation, config.fairness.groups
    if mitigation and (weights := mitigation.reweighing):
        wanted = groups.get(weights.attribute, ())
        return reweigh(tokens, data, config.task_type, weights, wanted)
    if mitigation and (worst := mitigation.group_dro):
        wanted = groups.get(worst.attribute, ())
        return tell_groups(tokens, data, config.task_type, worst, wanted)
    return tokens


def _train_and_measure(
    config: RetrainConfig,
    rows: _Rows,
    tokens: Tokens,
    base_model: BaseModel,
    teacher: Teacher | None,
) -> _Candidate:
    """Train the candidate, and measure it on rows that it has not learned."""
    line, task_type, data, evaluation = config.line, config.task_type, rows.data, config.evaluation
    lesson = lesson_of(config, tokens, base_model, teacher)
    trained = train(line, tokens, base_model, task_type, config.training, lesson)
    weights, uncompressed = _finish(config, trained, data, tokens, config.training, lesson)
    if config.abstention:
        weights = fit_abstention(weights, data, task_type, config.abstention)

    champion, anchor = find_champion(line, weights), find_anchor(line, weights)
    look = record_look(line, weights, name_held_out(data), config.policy)
    unmitigated = None
    if config.mitigation and config.mitigation.compare:
        unmitigated = _train_unmitigated(config, data, base_model, weights)
    measured = evaluate(
        weights, data, champion, task_type, evaluation.of_test_rows, rows.snapshot, anchor,
        look.fresh, config.splits.fresh, teacher, uncompressed, unmitigated,
    )  # fmt: skip
    scores = find_label_errors(measured, rows.labels, weights, data, task_type, config.label_checks)
    assessed = assess(scores, data, config.fairness)
    fairness = score_counterfactuals(
        assessed, scores, weights, data, task_type, config.counterfactuals, rows.swaps
    )
    scores = _probe(config, rows, weights, scores)
    scores = memory.probe(config, data, rows.snapshot, tokens, base_model, weights, scores)
    scores = domains.probe(
        config, data, rows.snapshot, rows.domains, tokens, base_model, weights, scores
    )
    if config.abstention:
        scores = measure_abstention(
            scores, weights, data, config.abstention, config.fairness, evaluation.of_one_model
        )
    if evaluation.seeds > 1:
        scores = _train_recipe(config, tokens, base_model, data, weights, scores, lesson)
    if config.augmentation and config.augmentation.compare:
        scores = _compare_without(config, data, base_model, weights, scores, teacher)
    golden = score_golden(weights, data, champion, rows.golden, task_type, evaluation)
    return _Candidate(weights, champion, look, scores, fairness, golden)


def _probe(config: RetrainConfig, rows: _Rows, weights: Weights, scores: Scores) -> Scores:
    """Ask the candidate what its answers rest on, as far as the line wants to know."""
    task_type, data, evaluation = config.task_type, rows.data, config.evaluation.of_one_model
    if asked := config.probes.robustness:
        scores = probe_robustness(scores, weights, data, task_type, asked, evaluation)
    if bias := config.probes.language_bias:
        files = rows.probe_files
        scores = probe_language_bias(scores, weights, files, task_type, bias, evaluation)
    if (outside := config.probes.out_of_distribution) and rows.out_of_distribution_texts:
        scores = probe_out_of_distribution(
            scores, weights, data, rows.out_of_distribution_texts, task_type, outside, evaluation
        )
    if harm := config.probes.harm:
        files, privacy = rows.harm_files, config.privacy
        scores = probe_harm(
            scores, weights, data, files, task_type, harm, privacy, evaluation, rows.scorer
        )
    if explanation := config.explanation:
        scores = explain(scores, weights, data, task_type, explanation, evaluation, rows.rationales)
    return scores


def _finish(
    config: RetrainConfig,
    trained: Weights,
    data: DataReport,
    tokens: Tokens,
    training: TrainingSettings,
    lesson: Lesson | Reference | None,
    *,
    mitigated: bool = True,
) -> tuple[Weights, Weights | None]:
    """The candidate that training made, and what it was before it was made smaller; None where not.

    What a line takes out of a trained model is taken out of it first, where it is `mitigated`.

    Each of the two has the temperature that its own answers ask for.
    """

    def scaled(weights: Weights) -> Weights:
        wanted = config.evaluation.temperature_scaling
        return scale_temperature(weights, data, config.task_type) if wanted else weights

    if mitigated:
        trained = _taken_out(config, data, trained)
    small = pruned(config, trained, tokens, training, lesson)
    if settings := config.compression:
        small = compress(small, config.task_type, settings, tokens if settings.reads_rows else None)
    return scaled(small), None if small is trained else scaled(trained)


def _taken_out(config: RetrainConfig, data: DataReport, trained: Weights) -> Weights:
    """A trained model without what tells an attribute; as it is where the line leaves that in."""
    if config.mitigation is None or (settings := config.mitigation.inlp) is None:
        return trained
    groups = config.fairness.groups.get(settings.attribute, ())
    balanced = config.training.class_weights == "balanced"
    return remove_attribute(trained, data, config.task_type, settings, groups, balanced=balanced)


def _train_recipe(
    config: RetrainConfig,
    tokens: Tokens,
    base_model: BaseModel,
    data: DataReport,
    weights: Weights,
    scores: Scores,
    lesson: Lesson | Reference | None,
) -> Scores:
    """Train and test the further models of the recipe; the candidate stays who it was."""
    task_type, settings = config.task_type, config.evaluation.of_one_model
    seeds = [config.training.seed + more for more in range(config.evaluation.seeds)]
    trained, tested = [weights], []
    for seed in seeds[1:]:
        training = config.training.model_copy(update={"seed": seed})
        learned = train(config.line, tokens, base_model, task_type, training, lesson)
        another, _ = _finish(config, learned, data, tokens, training, lesson)
        record_look(config.line, another, name_held_out(data), config.policy, weights)
        trained.append(another)
        tested.append(evaluate(another, data, None, task_type, settings))
    return measure_recipe(scores, tested, seeds, [one.artifact.sha256 for one in trained])


def _train_unmitigated(
    config: RetrainConfig, data: DataReport, base_model: BaseModel, weights: Weights
) -> Weights:
    """Train by the same recipe, each training row counted once and nothing taken out.

    Where nothing but that was done, and no canaries were planted, this is the training of the
    candidate, which is not repeated.
    """
    tokens = tokenize(data, base_model, config.task_type, config.tokenization)
    learned = train(config.line, tokens, base_model, config.task_type, config.training)
    without, _ = _finish(config, learned, data, tokens, config.training, None, mitigated=False)
    record_look(config.line, without, name_held_out(data), config.policy, weights)
    return without


def _compare_without(
    config: RetrainConfig,
    data: DataReport,
    base_model: BaseModel,
    weights: Weights,
    scores: Scores,
    teacher: Teacher | None,
) -> Scores:
    """Train by the same recipe without the new rows, and hold the candidate against that model."""
    task_type, swaps = config.task_type, config.counterfactuals.swaps
    canaries = memory.planted(config)
    tokens = tokenize(data, base_model, task_type, config.tokenization, canaries=canaries)
    lesson = lesson_of(config, tokens, base_model, teacher)
    learned = train(config.line, tokens, base_model, task_type, config.training, lesson)
    without, _ = _finish(config, learned, data, tokens, config.training, lesson)
    record_look(config.line, without, name_held_out(data), config.policy, weights)
    return measure_augmentation(
        scores, weights, without, data, task_type, config.evaluation.of_one_model, swaps,
        pin_swap_lists(swaps),
    )  # fmt: skip


def _register_and_judge(
    config: RetrainConfig,
    rows: _Rows,
    tokens: Tokens,
    base_model: BaseModel,
    candidate: _Candidate,
    new_rows: Augmentation | None,
) -> JudgedVersion:
    """Register the candidate, judge it as it is registered, and write the report on it."""
    line, policy, card = config.line, config.policy, config.described_card
    weights, champion, look, scores, fairness, golden = candidate
    version = register(
        line, rows.snapshot, rows.data, tokens, base_model, weights, scores, fairness,
        config.task_type, card, golden, new_rows,
    )  # fmt: skip
    confirm_registered(version)

    staged = None
    judgement = judge(policy, scores, fairness, staged, look, golden)
    if judgement.verdict is Verdict.PASS:
        staged = stage(version, weights, rows.data, scores, config.staging)
        judgement = judge(policy, scores, fairness, staged, look, golden)
    settle_look(look, judgement)

    report = write_report(
        line, rows.snapshot, rows.data, rows.representation, rows.drift, tokens, base_model,
        weights, scores, fairness, version, staged, judgement, card, golden, rows.shifts,
        new_rows,
    )  # fmt: skip
    return JudgedVersion(version, judgement, report, champion, staged, scores, fairness, golden)
