"""Registry: registration, the staging check, the policy, promotion, the ledger and rollback."""

from pathlib import Path

from infra.stages import cached_stage, look_up
from infra.store import open_store
from infra.tracking import open_tracking
from tasks.records import (
    BaseModel,
    Champion,
    DataReference,
    DataReport,
    Decision,
    Fairness,
    Judgement,
    LedgerEntry,
    Report,
    Scores,
    Snapshot,
    Staged,
    Tokens,
    Version,
    Weights,
)
from tasks.registry.settings import PolicySettings, StagingSettings

_TASKS = Path(__file__).parents[1]
_INFRA = _TASKS.parent / "infra"
_RECORDS = (_TASKS / "records", _TASKS / "verdicts.py")
_ROWS = (_TASKS / "task_types" / "rows.py", _TASKS / "task_types" / "requests.py")
_FORMAT = (
    _TASKS / "task_types" / "__init__.py",
    _TASKS / "task_types" / "served",
    _INFRA / "model_format.py",
    _INFRA / "script_format.py",
)
_SERVING = (_INFRA / "serving.py", _INFRA / "serving_process.py")


@look_up
def find_champion(line: str, weights: Weights) -> Champion | None:
    """Look up whom the candidate is compared with."""
    from tasks.registry.champion import champion_for

    return champion_for(line, weights.artifact.sha256, store=open_store(), tracking=open_tracking())


@look_up
def find_reference(line: str, data: DataReport) -> DataReference | None:
    """Look up the rows that the champion was trained on."""
    from tasks.registry.champion import reference_for

    return reference_for(line, data.clean.sha256, store=open_store(), tracking=open_tracking())


@cached_stage(also=(*_RECORDS, *_ROWS, *_FORMAT), libraries=("mlflow", "torch", "transformers"))
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
) -> Version:
    """Register the weights with their evidence as the line's candidate."""
    from tasks.registry.registration import register_version

    return register_version(
        line, snapshot, data, tokens, base, weights, scores, fairness, task_type,
        store=open_store(), tracking=open_tracking(),
    )  # fmt: skip


@look_up
def confirm_registered(version: Version) -> None:
    """Make sure that the registry still holds the version."""
    from tasks.registry.registration import check_registered

    check_registered(version, open_tracking())


@cached_stage(also=_RECORDS)
def judge(
    policy: PolicySettings, scores: Scores, fairness: Fairness, staged: Staged | None
) -> Judgement:
    """Judge every gate of the policy."""
    from tasks.registry.policy import judge_policy

    return judge_policy(policy, scores, fairness, staged)


@cached_stage(also=(*_RECORDS, *_ROWS, *_SERVING), libraries=("mlflow", "torch", "transformers"))
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


@cached_stage(also=_RECORDS)
def promote(
    version: Version, judgement: Judgement, report: Report, champion: Champion | None
) -> Decision:
    """Put the version in production if every gate passes, and write the ledger either way."""
    from tasks.registry.promotion import promote_version

    return promote_version(
        version, judgement, report, champion, store=open_store(), tracking=open_tracking()
    )


@look_up
def roll_back(line: str, by: str, reason: str) -> LedgerEntry:
    """Go back to the previous version, after a load test."""
    from tasks.registry.by_hand import roll_back_line

    return roll_back_line(line, by, reason, store=open_store(), tracking=open_tracking())


@look_up
def override_promotion(line: str, version: int, by: str, reason: str) -> LedgerEntry:
    """Promote a version by a person's word, after a load test."""
    from tasks.registry.by_hand import override_promotion_of

    return override_promotion_of(
        line, version, by, reason, store=open_store(), tracking=open_tracking()
    )
