"""What stands in for servers that a bare machine lacks: a store in a folder, and no MLflow.

Digests, manifests and the order of writing are those of the product's store; only the bytes go to
files in place of an S3 server.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from infra.errors import StoreError
from infra.settings import Settings
from infra.store import MANIFEST, Arriving, Artifact, ObjectStore, sha256_of_file, split_uri
from infra.tracking import Measured, Tracking

NOWHERE: Final = "http://127.0.0.1:9"


class FolderStore(ObjectStore):
    """Objects as files below a folder, each written beside its place and moved there."""

    def __init__(self, folder: Path) -> None:
        # Without the parent's, which opens a client of boto3.
        self.settings = Settings(home=folder, mlflow_url=NOWHERE)
        self.bucket = self.settings.artifacts_bucket
        self._folder = folder

    def check(self) -> None:
        """Nothing can be away."""

    def exists(self, uri: str) -> bool:
        """Whether an object stands at this address."""
        return self._path(uri).is_file()

    def put_bytes(self, uri: str, data: bytes) -> Artifact:
        """Write one object."""
        path = self._path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_bytes(data)
        beside.rename(path)
        return Artifact(uri, hashlib.sha256(data).hexdigest(), len(data))

    def get_bytes(self, uri: str) -> bytes:
        """Read one object."""
        path = self._path(uri)
        if not path.is_file():
            raise StoreError(f"{uri} does not exist in {self._folder}")
        return path.read_bytes()

    def delete(self, prefix_uri: str) -> None:
        """Remove every object below a prefix, manifests first."""
        entries = sorted(self._entries(prefix_uri), key=lambda one: not one[1].endswith(MANIFEST))
        for bucket, key, _ in entries:
            (self._folder / bucket / key).unlink(missing_ok=True)

    def put_file(self, uri: str, path: Path) -> Artifact:
        """Write one file as one object."""
        place = self._path(uri)
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.{os.getpid()}")
        shutil.copyfile(path, beside)
        beside.rename(place)
        return Artifact(uri, sha256_of_file(path), path.stat().st_size)

    def _fetch(self, uri: str, arriving: Arriving) -> None:
        arriving.write(self.get_bytes(uri))

    def download(self, uri: str, path: Path) -> Path:
        """Copy one object to a file, whatever its digest."""
        if not self._path(uri).is_file():
            raise StoreError(f"{uri} does not exist in {self._folder}")
        shutil.copyfile(self._path(uri), path)
        return path

    def _path(self, uri: str) -> Path:
        bucket, key = split_uri(uri)
        return self._folder / bucket / key

    def _entries(self, prefix_uri: str) -> Iterator[tuple[str, str, int]]:
        bucket, prefix = split_uri(prefix_uri)
        root = self._folder / bucket
        for path in sorted(root.rglob("*")):
            key = path.relative_to(root).as_posix()
            if not key.startswith(prefix) or path.name.startswith("."):
                continue
            try:
                if path.is_file():
                    yield bucket, key, path.stat().st_size
            except FileNotFoundError:  # another process has just removed it
                continue


class NoTracking(Tracking):
    """Curves stay in the records of the training."""

    def __init__(self) -> None:
        self.url = NOWHERE

    def open_run(self, line: str, key: str, tags: Mapping[str, str]) -> str:  # noqa: ARG002
        """No run."""
        return ""

    def log_metrics(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        step: int = 0,
        measured: Measured | None = None,
    ) -> None:
        """Nothing is kept."""

    def log_params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Nothing is kept."""

    def finish_run(self, run_id: str, status: str = "FINISHED") -> None:
        """Nothing is kept."""
