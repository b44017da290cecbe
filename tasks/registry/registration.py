"""From a proven candidate to a version in the registry."""

import tempfile
from pathlib import Path
from typing import Final

from infra.digests import digest_of
from infra.errors import TrackingError
from infra.model_format import write_pipeline_model
from infra.script_format import write_script_model
from infra.store import ObjectStore, sha256_of_file
from infra.tracking import Tracking
from tasks import task_types
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.fairness import Fairness
from tasks.records.registry import Version
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.registry.answers import evaluated_answers
from tasks.registry.training_run import complete_run
from tasks.task_types import TaskType
from tasks.task_types.requests import example_requests
from tasks.task_types.rows import ROW_SHAPES

CANDIDATE: Final = "candidate"
WEIGHTS_TAG: Final = "assayline.weights_sha256"
DATA_TAG: Final = "assayline.data_sha256"
DATA_URI_TAG: Final = "assayline.data_uri"
TASK_TYPE_TAG: Final = "assayline.task_type"
SCRIPT_TAG: Final = "assayline.script_sha256"
# Digests of a version's tags that a ledger entry names as its evidence.
EVIDENCE_TAGS: Final = {
    "snapshot": "assayline.snapshot_sha256",
    "data": DATA_TAG,
    "tokens": "assayline.tokens_sha256",
    "base_model": "assayline.base_model_sha256",
    "weights": WEIGHTS_TAG,
    "scores": "assayline.scores_sha256",
    "fairness": "assayline.fairness_sha256",
}
# Answers that a version's signature is read off.
SIGNATURE_ROWS: Final = 64


def register_version(
    line: str,
    snapshot: Snapshot,
    data: DataReport,
    tokens: Tokens,
    base: BaseModel,
    weights: Weights,
    scores: Scores,
    fairness: Fairness,
    task_type: str,
    *,
    store: ObjectStore,
    tracking: Tracking,
) -> Version:
    """Register the weights with their evidence under the alias ``candidate``.

    The same weights with the same evidence are registered once: the version carries the digest of
    all that it was made of, and is looked for by it first. The training's MLflow run is completed.

    Raises:
        BaseModelError: the weights would run code when they are loaded.
        TrackingError, StoreError: a server or an artifact is missing.

    """
    kind = task_types.task_type(task_type)
    script = {SCRIPT_TAG: sha256_of_file(kind.served)} if kind.served else {}
    made_of = (line, snapshot, data, tokens, base, weights, scores, fairness, task_type, script)
    key = digest_of(list(made_of))
    number = tracking.find_version(line, key)
    if number is None:
        tags = script | _tags(snapshot, data, tokens, base, weights, scores, fairness, task_type)
        with tempfile.TemporaryDirectory(prefix="assayline-register-") as name:
            folder = _write(line, kind, weights, scores, Path(name), store)
            number = tracking.register_model(line, key, weights.run_id, folder, tags)
    tracking.set_alias(line, CANDIDATE, number)
    complete_run(line, data, weights, scores, tracking)
    return Version(
        line=line,
        version=number,
        weights_sha256=weights.artifact.sha256,
        run_id=weights.run_id,
        url=tracking.version_url(line, number),
    )


def _write(
    line: str, kind: TaskType, weights: Weights, scores: Scores, work: Path, store: ObjectStore
) -> Path:
    checkpoint = store.get_folder(weights.artifact, work / "checkpoint")
    shape = ROW_SHAPES[kind.name]
    examples = example_requests(shape)
    if kind.served:
        write_script_model(
            checkpoint,
            work / "mlflow",
            script=kind.served,
            settings=_reading(weights),
            inputs={column.name: column.kind for column in shape.inputs},
            examples=examples,
            answers=list(evaluated_answers(scores, SIGNATURE_ROWS, store).values()),
        )
    else:
        (column,) = shape.inputs
        write_pipeline_model(
            checkpoint,
            work / "mlflow",
            line=line,
            pipeline=kind.pipeline or "",
            max_length=weights.max_length,
            examples=[example[column.name] for example in examples],
        )
    return work / "mlflow"


def _reading(weights: Weights) -> dict[str, int]:
    """How long a text the model reads and writes, as `tasks.task_types.TokenLimits` names it."""
    return {
        "max_length": weights.max_length,
        "stride": weights.stride,
        "max_target_length": weights.max_target_length,
    }


def check_registered(version: Version, tracking: Tracking) -> None:
    """Make sure that the registry still holds a version that an earlier run may have registered.

    Raises:
        TrackingError: it does not, or holds another model under this number.

    """
    held = version.version in tracking.versions(version.line)
    tags = tracking.version_tags(version.line, version.version) if held else {}
    if tags.get(WEIGHTS_TAG) != version.weights_sha256:
        raise TrackingError(
            f"version {version.version} of {version.line} was registered by an earlier run, and "
            f"the registry at {tracking.url} no longer holds it; restore the registry, or delete "
            "Prefect's results together with it, so that the stages run anew"
        )


def _tags(
    snapshot: Snapshot,
    data: DataReport,
    tokens: Tokens,
    base: BaseModel,
    weights: Weights,
    scores: Scores,
    fairness: Fairness,
    task_type: str,
) -> dict[str, str]:
    digests = {
        "snapshot": snapshot.artifact.sha256,
        "data": data.clean.sha256,
        "tokens": tokens.artifact.sha256,
        "base_model": base.sha256,
        "weights": weights.artifact.sha256,
        "scores": scores.artifact.sha256,
        "fairness": digest_of(fairness),
    }
    return {EVIDENCE_TAGS[name]: digest for name, digest in digests.items()} | {
        "assayline.base_model": base.reference,
        TASK_TYPE_TAG: task_type,
        **({"assayline.labels": ", ".join(weights.labels)} if weights.labels else {}),
        **{f"assayline.{name}": str(tokens) for name, tokens in _reading(weights).items()},
        "assayline.weights_uri": weights.artifact.uri,
        DATA_URI_TAG: data.clean.uri,
        "assayline.quarantine_uri": data.quarantine.uri,
        "assayline.rows_read": str(snapshot.rows_read),
        "assayline.rows_clean": str(sum(data.rows_by_split.values())),
        "assayline.rows_quarantined": str(data.rows_quarantined),
        "assayline.quarantined_by_reason": ", ".join(
            f"{reason} {rows}" for reason, rows in data.quarantined_by_reason.items()
        )
        or "none",
    }
