"""Versions of a few bytes in a real registry, and what the tests ask of any version."""

from collections.abc import Mapping
from pathlib import Path

from infra.artifact_manifest import list_files, to_bytes
from infra.registered_artifacts import keep_manifest, read_manifest
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.evaluation import Champion, Scores
from tasks.records.fairness import Fairness
from tasks.records.judged_version import JudgedVersion
from tasks.records.registry import Judgement, Report, Staged, Version
from tasks.registry.anchor import anchor_of
from tasks.registry.line_state import LineState
from tasks.registry.proof import Proof
from tasks.registry.version_tags import ANSWERS_TAG, MANIFEST_TAG


def add_version(
    line: str, folder: Path, tags: Mapping[str, str], store: ObjectStore, tracking: Tracking
) -> tuple[int, str]:
    """Make a version of two small files, of which nothing can be loaded; number and manifest."""
    client = tracking._client
    logged = client.create_logged_model(tracking.experiment_id("made"))
    place = str(logged.artifact_location).removeprefix("mlflow-artifacts:/")
    made = folder / logged.model_id
    made.mkdir()
    for name in ("MLmodel", "weights"):
        (made / name).write_text(f"{name} of {line}, {sorted(tags.items())}")
        store.put_file(f"s3://{store.settings.mlflow_bucket}/{place}/{name}", made / name)
    manifest = keep_manifest(to_bytes(list_files(made)), store)
    source = f"models:/{logged.model_id}"
    version = client.create_model_version(
        line, source, tags={**tags, MANIFEST_TAG: manifest}, model_id=logged.model_id
    )
    return int(version.version), manifest


def judged_by_hand(
    version: Version,
    judgement: Judgement,
    report: Report,
    champion: Champion | None,
    staged: Staged | None = None,
    scores: Scores | None = None,
    *,
    store: ObjectStore,
    tracking: Tracking,
) -> JudgedVersion:
    """A version of which nothing was measured; without scores it is held against today's anchor."""
    if scores is None:
        state = LineState(version.line, store, tracking)
        anchor = anchor_of(state, version.weights_sha256, store, tracking)
        scores = Scores(
            Artifact("s3://b/scores", "0" * 64, 1), (), 64, (), (), (), None, "",
            anchor_version=anchor.version if anchor else None,
        )  # fmt: skip
    fairness = Fairness((), (), 30)
    return JudgedVersion(version, judgement, report, champion, staged, scores, fairness, None)


def files_of(line: str, version: int, store: ObjectStore, tracking: Tracking) -> list[str]:
    """Addresses of a version's files in the store behind the registry."""
    address = tracking._client.get_model_version_download_uri(line, str(version))
    place = str(address).removeprefix("mlflow-artifacts:/").strip("/")
    return store.list(f"s3://{store.settings.mlflow_bucket}/{place}/")


def manifest_of(line: str, version: int, store: ObjectStore, tracking: Tracking) -> bytes:
    """The manifest that a version's tag names."""
    return read_manifest(tracking.version_tags(line, version)[MANIFEST_TAG], store)


def proof_by_tags(line: str, version: int, tracking: Tracking) -> Proof:
    """What a load test holds a version against that the ledger says nothing of."""
    tags = tracking.version_tags(line, version)
    return Proof(tags[MANIFEST_TAG], tags.get(ANSWERS_TAG, ""))
