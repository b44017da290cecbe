"""Registration, the staging check, the policy, promotion and rollback."""

from dataclasses import replace

from prefect.runtime import flow_run

from infra.mlflow_logins import MlflowLogins
from infra.settings import load_settings
from infra.store import open_store
from infra.tracking import open_tracking
from tasks.records.augmentation import Augmentation
from tasks.records.data import DataReference, DataReport, Snapshot
from tasks.records.evaluation import Champion, Scores
from tasks.records.fairness import Fairness
from tasks.records.golden import GoldenScores
from tasks.records.judged_version import JudgedVersion
from tasks.records.looks import HeldOut, Look
from tasks.records.registry import (
    AliasCheck,
    Approval,
    Decision,
    Judgement,
    LedgerEntry,
    Reconciliation,
    Staged,
    Version,
)
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.registry.ledger import Recorded
from tasks.registry.settings import OnOutsideMove, PolicySettings, StagingSettings
from tasks.reporting.settings import CardSettings
from tasks.stages.caching import cached_stage, look_up
from tasks.stages.waiting_runs import find_waiting_run


@look_up
def find_champion(line: str, weights: Weights) -> Champion | None:
    """Look up whom the candidate is compared with."""
    from tasks.registry.champion import champion_for

    return champion_for(line, weights.artifact.sha256, store=open_store(), tracking=open_tracking())


@look_up
def find_anchor(line: str, weights: Weights) -> Champion | None:
    """Look up the best version that was ever in production."""
    from tasks.registry.anchor import anchor_for

    return anchor_for(line, weights.artifact.sha256, store=open_store(), tracking=open_tracking())


@look_up
def find_reference(line: str, data: DataReport) -> DataReference | None:
    """Look up the rows that the champion was trained on."""
    from tasks.registry.champion import reference_for

    return reference_for(line, data.clean.sha256, store=open_store(), tracking=open_tracking())


@cached_stage()
def register(
    line: str,
    snapshot: Snapshot,
    data: DataReport,
    tokens: Tokens,
    base: BaseModel,
    weights: Weights,
    scores: Scores,
    fairness: Fairness,
    task_type: str,
    card: CardSettings,
    golden: GoldenScores | None = None,
    augmentation: Augmentation | None = None,
) -> Version:
    """Register the weights with their evidence as the line's candidate."""
    from tasks.registry.registration import register_version
    from tasks.reporting.card import render_model_readme
    from tasks.reporting.mitigation import mitigation_of

    return register_version(
        line, snapshot, data, tokens, base, weights, scores, fairness, task_type,
        store=open_store(), tracking=open_tracking(),
        readme=render_model_readme(
            line, data, base, weights, scores, card, augmentation, mitigation_of(tokens, weights)
        ),
        golden=golden, augmentation=augmentation,
    )  # fmt: skip


@look_up
def confirm_registered(version: Version) -> None:
    """Make sure that the registry still holds the version."""
    from tasks.registry.registration import check_registered

    check_registered(version, open_tracking())


@look_up
def record_look(
    line: str,
    weights: Weights,
    held_out: HeldOut,
    policy: PolicySettings,
    candidate: Weights | None = None,
) -> Look:
    """Record that a candidate, or a further training of its recipe, is about to be evaluated."""
    from tasks.registry.looks import record_look as record

    return record(
        line, weights.artifact.sha256, held_out,
        (*policy.gates, *policy.fairness_where_decidable), str(flow_run.id or ""),
        candidate.artifact.sha256 if candidate else "",
        store=open_store(), tracking=open_tracking(),
    )  # fmt: skip


@look_up
def settle_look(look: Look, judgement: Judgement) -> None:
    """Set what the look came to."""
    from tasks.registry.looks import settle_look as settle

    settle(look, judgement, open_tracking())


@look_up
def judge(
    policy: PolicySettings,
    scores: Scores,
    fairness: Fairness,
    staged: Staged | None,
    look: Look,
    golden: GoldenScores | None = None,
) -> Judgement:
    """Judge every gate of the policy, and keep the policy; a verdict is never from a cache."""
    from tasks.registry.policy import judge_policy
    from tasks.registry.policy_record import keep_policy

    judgement = judge_policy(policy, scores, fairness, staged, look, golden)
    return replace(judgement, policy_sha256=keep_policy(policy, open_store()))


@cached_stage()
def stage(
    version: Version,
    weights: Weights,
    data: DataReport,
    scores: Scores,
    settings: StagingSettings,
) -> Staged:
    """Serve the registered artifact and compare it with the evaluation."""
    from tasks.registry.staging import stage_version

    return stage_version(
        version, weights, data, scores, settings, store=open_store(), tracking=open_tracking()
    )


@look_up
def promote(judged: JudgedVersion, approval: Approval | None = None) -> Decision:
    """Put the version in production if every gate passes, and write the ledger either way."""
    from tasks.registry.promotion import promote_version

    return promote_version(judged, approval, store=open_store(), tracking=open_tracking())


@look_up
def confirm_production(line: str, on_outside_move: OnOutsideMove) -> JudgedVersion | None:
    """Make sure that production is what the ledger says, before hours are spent on a candidate.

    Returns:
        The candidate that this very run asked a person about, where it was resumed; else None.
        Requests of other runs that ended, or whose time is over, are closed.

    """
    from tasks.registry.approval import waiting_version
    from tasks.registry.reconciliation import settle_by_setting

    store, tracking = open_store(), open_tracking()
    state, _ = settle_by_setting(line, on_outside_move, store=store, tracking=tracking)
    run = str(flow_run.id or "")
    return waiting_version(state, run, find_waiting_run, store=store, tracking=tracking)


@look_up
def request_approval(judged: JudgedVersion, days: float) -> Recorded | None:
    """Record that the candidate waits for a person; None where there is nothing to ask."""
    from tasks.registry.approval import request_approval as request

    return request(judged, str(flow_run.id), days, store=open_store(), tracking=open_tracking())


@look_up
def check_aliases(
    line: str, on_outside_move: OnOutsideMove, patience_s: float | None
) -> AliasCheck:
    """Look whether somebody moved aliases in MLflow, and do what the line's setting says."""
    from tasks.registry.alias_check import check_aliases as check

    return check(
        line, on_outside_move, store=open_store(), tracking=open_tracking(), patience_s=patience_s
    )


@look_up
def check_rights(line: str, command: str) -> str:
    """Find out by whose login a decision on a line is made; refuse one that may not be made.

    Args:
        line: the model line.
        command: of the console, that a person calls for this decision.

    Returns:
        The login; empty where MLflow keeps no users.

    """
    from tasks.registry.rights import login_behind

    return login_behind(line, str(flow_run.id or ""), command, MlflowLogins(load_settings()))


@look_up
def reconcile_aliases(
    line: str, on_outside_move: OnOutsideMove, by: str, reason: str, login: str = ""
) -> Reconciliation:
    """Decide on aliases that were moved outside of the ledger."""
    from tasks.registry.reconciliation import reconcile_line

    return reconcile_line(
        line, on_outside_move, by, reason, store=open_store(), tracking=open_tracking(), login=login
    )


@look_up
def roll_back(
    line: str, by: str, reason: str, on_outside_move: OnOutsideMove, login: str = ""
) -> LedgerEntry:
    """Go back to the previous version, after a load test."""
    from tasks.registry.manual_promotion import roll_back_line

    return roll_back_line(
        line, by, reason, store=open_store(), tracking=open_tracking(),
        on_outside_move=on_outside_move, run=str(flow_run.id or ""), login=login,
    )  # fmt: skip


@look_up
def override_promotion(
    line: str,
    version: int,
    by: str,
    reason: str,
    on_outside_move: OnOutsideMove,
    login: str = "",
) -> LedgerEntry:
    """Promote a version by a person's word, after a load test."""
    from tasks.registry.manual_promotion import override_promotion_of

    return override_promotion_of(
        line, version, by, reason, store=open_store(), tracking=open_tracking(),
        on_outside_move=on_outside_move, run=str(flow_run.id or ""), login=login,
    )  # fmt: skip
