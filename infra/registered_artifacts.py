"""Registered versions against their manifests: kept in the store by digest, and compared.

The manifest's digest stands in a tag of the version, and in the ledger once production moved to it.
See docs/decisions/0020-manifests-and-signed-results.md.
"""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Final

from infra.artifact_manifest import ListedFile, differences, from_bytes, list_files
from infra.errors import IntegrityError
from infra.store import MANIFEST, Artifact, ObjectStore, keep_by_digest, read_by_digest
from infra.tracking import Tracking

_FOLDER: Final = "manifests"
# Files of trained weights that a version has byte for byte, whatever else it is made of.
_WEIGHTS_FILES: Final = ("config.json", "*.safetensors", "*.safetensors.index.json")
_SHOWN: Final = 8


def keep_manifest(manifest: bytes, store: ObjectStore) -> str:
    """Keep a manifest in the store under its digest, which is returned."""
    return keep_by_digest(store, _FOLDER, manifest).sha256


def read_manifest(sha256: str, store: ObjectStore) -> bytes:
    """A manifest as it was kept.

    Raises:
        IntegrityError: it was changed since.
        StoreError: the store lacks it, or is unreachable.

    """
    return read_by_digest(store, _FOLDER, sha256)


def check_version(
    line: str, version: int, manifest_sha256: str, store: ObjectStore, tracking: Tracking
) -> None:
    """Read a version's files back from the registry, and hold them against the manifest.

    Raises:
        IntegrityError: they are others; each of them is named.
        StoreError, TrackingError: a server is unreachable, or lacks the manifest or the files.

    """
    listed = from_bytes(read_manifest(manifest_sha256, store))
    with tempfile.TemporaryDirectory(prefix="assayline-verify-") as name:
        artifact = tracking.download_artifact(line, version, Path(name))
        check_files(f"version {version} of {line}", artifact, listed)


def check_files(name: str, artifact: Path, listed: tuple[ListedFile, ...]) -> None:
    """Hold a version's downloaded files against those of its manifest.

    Args:
        name: of the version, for the message.
        artifact: the folder that was downloaded.
        listed: the manifest's files.

    Raises:
        IntegrityError: they are others; each of them is named.

    """
    wrong = differences(listed, list_files(artifact))
    if wrong:
        raise IntegrityError(
            f"the registered files of {name} are not those that were proven: {_shown(wrong)}. "
            "Restore them in the registry's artifact store from a backup; until then this version "
            "goes nowhere"
        )


def check_weights(name: str, artifact: Path, weights: Artifact, store: ObjectStore) -> None:
    """Hold a version without a manifest against the weights that it was made of.

    All other files of such a version (requirements, tokenizer) were listed nowhere.

    Args:
        name: of the version, for the message.
        artifact: the folder that was downloaded.
        weights: that its tags name; without address where they name none.
        store: that holds the weights.

    Raises:
        IntegrityError: its configuration and weights are not those of the training, or no tag
            says which these are.

    """
    if not weights.uri:
        raise IntegrityError(
            f"{name} has no manifest, and no tag says of which weights it was made, so that "
            "nothing shows what its files were; register models of this line with assayline alone"
        )
    manifest = store.get_bytes(f"{weights.uri}/{MANIFEST}")
    if hashlib.sha256(manifest).hexdigest() != weights.sha256:
        raise IntegrityError(f"{weights.uri}/{MANIFEST} is not that of the weights of {name}")
    files = json.loads(manifest)["files"]
    trained = {file["name"]: file["sha256"] for file in files if _is_of_weights(file["name"])}
    registered = {
        Path(file.path).name: file.sha256
        for file in list_files(artifact)
        if _is_of_weights(file.path)
    }
    wrong = [
        f"{file} differs"
        for file in sorted(trained.keys() | registered.keys())
        if trained.get(file) != registered.get(file)
    ]
    if wrong:
        raise IntegrityError(
            f"{name} has no manifest, and is not of the weights at {weights.uri} either: "
            f"{_shown(tuple(wrong))}"
        )


def _is_of_weights(path: str) -> bool:
    return any(Path(path).match(pattern) for pattern in _WEIGHTS_FILES)


def _shown(wrong: tuple[str, ...]) -> str:
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return "; ".join(wrong[:_SHOWN]) + more
