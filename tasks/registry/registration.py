"""From a proven candidate to a version in the registry."""

import tempfile
from pathlib import Path
from typing import Final

from infra.errors import TrackingError
from infra.model_format import write_model
from infra.stages import digest_of
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks import task_types
from tasks.records import (
    BaseModel,
    DataReport,
    Fairness,
    Scores,
    Snapshot,
    Tokens,
    Version,
    Weights,
)

CANDIDATE: Final = "candidate"
WEIGHTS_TAG: Final = "assayline.weights_sha256"
DATA_TAG: Final = "assayline.data_sha256"
DATA_URI_TAG: Final = "assayline.data_uri"
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
# Two texts show that a request may hold several; the second, that any script will do.
EXAMPLES: Final = ("A short text.", "另一个句子。")


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
    all that it was made of, and is looked for by it first.

    Raises:
        BaseModelError: the weights would run code when they are loaded.
        TrackingError, StoreError: a server or an artifact is missing.

    """
    made_of = (line, snapshot, data, tokens, base, weights, scores, fairness, task_type)
    key = digest_of(list(made_of))
    number = tracking.find_version(line, key)
    if number is None:
        tags = _tags(snapshot, data, tokens, base, weights, scores, fairness, task_type)
        with tempfile.TemporaryDirectory(prefix="assayline-register-") as name:
            folder = _write(line, weights, task_type, Path(name), store)
            number = tracking.register_model(line, key, weights.run_id, folder, tags)
    tracking.log_dataset(
        weights.run_id,
        name=line,
        sha256=data.clean.sha256,
        uri=data.clean.uri,
        context="training",
        rows=data.rows_by_split,
    )
    tracking.set_alias(line, CANDIDATE, number)
    return Version(
        line=line,
        version=number,
        weights_sha256=weights.artifact.sha256,
        run_id=weights.run_id,
        url=tracking.version_url(line, number),
    )


def _write(line: str, weights: Weights, task_type: str, work: Path, store: ObjectStore) -> Path:
    checkpoint = store.get_folder(weights.artifact, work / "checkpoint")
    write_model(
        checkpoint,
        work / "mlflow",
        line=line,
        pipeline=task_types.task_type(task_type).pipeline,
        max_length=weights.max_length,
        examples=EXAMPLES,
    )
    return work / "mlflow"


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
        "assayline.task_type": task_type,
        "assayline.labels": ", ".join(weights.labels),
        "assayline.max_length": str(weights.max_length),
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
