"""What a version was when it was proven, and that it still is: its files and its answers.

Production moves to a version only after its files were read back from the registry and found to be
those of its manifest. The manifest's digest comes from the ledger where the version was in
production before, else from the tag that it was registered with.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.artifact_manifest import list_files, to_bytes
from infra.errors import IntegrityError
from infra.registered_artifacts import check_version, check_weights, keep_manifest
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry, Version
from tasks.registry.ledger import ACCEPTED, MOVED_OUTSIDE, RESTORED
from tasks.registry.version_tags import (
    ANSWERS_TAG,
    DATA_TAG,
    MANIFEST_TAG,
    PROVENANCE_TAG,
    WEIGHTS_TAG,
    WEIGHTS_URI_TAG,
)

MANIFEST: Final = "manifest"
ANSWERS: Final = "answers"
PROVENANCE: Final = "provenance"
DATA: Final = "data"
# Evidence of the ledger that a tag of the version names too, and must name alike.
_IN_A_TAG: Final = {MANIFEST: MANIFEST_TAG, PROVENANCE: PROVENANCE_TAG, DATA: DATA_TAG}
_NAMES: Final = frozenset({*_IN_A_TAG, ANSWERS})
NO_MANIFEST: Final = (
    "version {version} of {line} has no manifest: it was registered before there were manifests, "
    "and nothing shows whether its files are those that were proven. A run registers the line "
    "anew, with one; or `assayline promote {line} {version} --reason ...` holds its weights "
    "against those of the training, and puts it in production by your word"
)


@dataclass(frozen=True)
class Proof:
    """What shows that a version is still what was proven.

    Attributes:
        manifest_sha256: of the files that were registered; empty where none was made.
        answers_sha256: of the answers that it gave when it was staged; empty where there are none.

    """

    manifest_sha256: str
    answers_sha256: str


def proof_of(
    line: str, version: int, history: Sequence[LedgerEntry], tags: Mapping[str, str]
) -> Proof:
    """The proof of a version, by the ledger and by its tags.

    Args:
        line: name of the line.
        version: its number.
        history: the ledger, oldest first.
        tags: of the version.

    Raises:
        IntegrityError: ledger and tag name two manifests, two sets of rows, or two records of what
            the version was made of, or the tag is gone.

    """
    # The oldest entry counts: what a later one copied from the tags may have been changed there.
    recorded: dict[str, str] = {}
    for entry in reversed(history):
        # What a hand in MLflow put there was taken from the tags, and held against nothing.
        if entry.candidate_version == version and entry.action != MOVED_OUTSIDE:
            recorded |= {name: entry.evidence[name] for name in _NAMES & entry.evidence.keys()}
    for name, tag in _IN_A_TAG.items():
        if name in recorded and recorded[name] != tags.get(tag, ""):
            raise IntegrityError(
                f"the ledger of {line} has version {version} with the {name} {recorded[name]}, "
                f"and the version's tag {tag} names {tags.get(tag, 'none')}: somebody changed it. "
                "Nothing was moved; set the tag back once it is clear who did"
            )
    return Proof(tags.get(MANIFEST_TAG, ""), recorded.get(ANSWERS) or tags.get(ANSWERS_TAG, ""))


def check_tags_as_registered(version: Version, tags: Mapping[str, str]) -> None:
    """Hold a version's tags against the record that its registration returned, which is signed.

    Raises:
        IntegrityError: the tags name another manifest, or other provenance.

    """
    registered = {MANIFEST_TAG: version.manifest_sha256, PROVENANCE_TAG: version.provenance_sha256}
    for tag, sha256 in registered.items():
        if tags.get(tag, "") != sha256:
            raise IntegrityError(
                f"version {version.version} of {version.line} was registered with the tag {tag} "
                f"{sha256 or 'not set'}, and it names {tags.get(tag, 'none')}: somebody changed "
                "it; set it back once it is clear who did"
            )


def check_before_move(
    entry: LedgerEntry,
    history: Sequence[LedgerEntry],
    store: ObjectStore,
    tracking: Tracking,
) -> None:
    """Read back the version that a new entry puts in production, before it is recorded.

    An entry that moves nothing passes, and so does one that records a move outside of the ledger.
    Accepting such a move is held to what any other is: the files are those that were registered.

    Args:
        entry: that is to be recorded.
        history: the ledger before it, oldest first.
        store: holds the manifests.
        tracking: holds the version.

    Raises:
        IntegrityError: its files are not those of its manifest, or it has none.
        StoreError, TrackingError: a server is unreachable, or lacks manifest or files.

    """
    version = entry.to_version
    moves = version != entry.from_version and entry.action != MOVED_OUTSIDE
    if version is None or not (moves or entry.action == ACCEPTED):
        return
    tags = tracking.version_tags(entry.line, version)
    proof_of(entry.line, version, history, tags)
    if MANIFEST in entry.evidence:
        check_version(entry.line, version, entry.evidence[MANIFEST], store, tracking)
    elif entry.action in {ACCEPTED, RESTORED}:
        _check_weights(entry.line, version, tags, store, tracking)
    else:
        raise IntegrityError(NO_MANIFEST.format(line=entry.line, version=version))


def check_as_proven(
    line: str,
    version: int,
    history: Sequence[LedgerEntry],
    store: ObjectStore,
    tracking: Tracking,
) -> None:
    """Read back a version that an entry which is recorded already puts in production.

    One that an earlier release recorded is held against the weights of its training.

    Raises:
        IntegrityError: its files are not those of its manifest, or not of its weights.
        StoreError, TrackingError: a server is unreachable, or lacks manifest or files.

    """
    tags = tracking.version_tags(line, version)
    manifest = proof_of(line, version, history, tags).manifest_sha256
    if manifest:
        check_version(line, version, manifest, store, tracking)
    else:
        _check_weights(line, version, tags, store, tracking)


def _check_weights(
    line: str, version: int, tags: Mapping[str, str], store: ObjectStore, tracking: Tracking
) -> None:
    with tempfile.TemporaryDirectory(prefix="assayline-verify-") as name:
        artifact = tracking.download_artifact(line, version, Path(name))
        check_weights(f"version {version} of {line}", artifact, weights_of(tags), store)


def make_manifest(
    line: str, version: int, tags: Mapping[str, str], store: ObjectStore, tracking: Tracking
) -> str:
    """Make the manifest of a version of an earlier release, which its weights are held against.

    Returns:
        The manifest's digest, which the version's tag then names.

    Raises:
        IntegrityError: it is not of the weights that its tags name.

    """
    with tempfile.TemporaryDirectory(prefix="assayline-verify-") as name:
        artifact = tracking.download_artifact(line, version, Path(name))
        check_weights(f"version {version} of {line}", artifact, weights_of(tags), store)
        sha256 = keep_manifest(to_bytes(list_files(artifact)), store)
    tracking.set_tags(line, version, {MANIFEST_TAG: sha256})
    return sha256


def weights_of(tags: Mapping[str, str]) -> Artifact:
    """The weights that a version was made of, by its tags; without address where they say none."""
    return Artifact(tags.get(WEIGHTS_URI_TAG, ""), tags.get(WEIGHTS_TAG, ""), 0)
