"""The S3-compatible object store that holds every artifact. Sole importer of boto3.

boto3 is imported when a store is opened: the rooms that name an `Artifact` alone need none of it.
"""

import hashlib
import json
import mimetypes
import re
import secrets
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from infra.errors import IntegrityError, MissingObjectError, StoreAwayError, StoreError
from infra.settings import Settings, load_settings

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

MANIFEST = "manifest.json"
_OBJECT_URI = re.compile(r"s3://(?P<bucket>[A-Za-z0-9][\w.-]{0,254})(/(?P<key>.*))?", re.DOTALL)
HASH_CHUNK_BYTES = 1 << 20
MULTIPART_BYTES = 64 << 20
PART_BYTES = 8 << 20
# Files of a folder that are on their way at once.
FILES_AT_ONCE = 4
# Parts of one large file that are: what came before its turn waits in memory.
PARTS_AT_ONCE = 4
# What is handed on at a time of what arrives: boto3's own quarter of it costs a third more time.
ARRIVING_BYTES = 1 << 20


@dataclass(frozen=True)
class Artifact:
    """Something immutable in the store: one object, or a folder with a manifest.

    Attributes:
        uri: ``s3://bucket/key`` of the object, or of the folder without a trailing slash.
        sha256: hex digest of the object's bytes, or of the folder's manifest.
        size_bytes: size of the object, or of all files of the folder.

    """

    uri: str
    sha256: str
    size_bytes: int


def sha256_of_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def etags_of_file(path: Path) -> frozenset[str]:
    """The tags that a store gives an object of these bytes, by whether it came in parts.

    One is the MD5 of the bytes, the other that of the MD5s of the parts, and their number.
    """
    whole, parts = hashlib.md5(usedforsecurity=False), []
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            whole.update(part)
            parts.append(hashlib.md5(part, usedforsecurity=False).digest())
    of_parts = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
    return frozenset({whole.hexdigest(), f"{of_parts}-{len(parts)}"})


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``, whose key may hold any character, as S3's may.

    Raises:
        StoreError: the address is not an S3 address.

    """
    parts = _OBJECT_URI.fullmatch(uri)
    if parts is None:
        raise StoreError(f"{uri!r} is no object address; write it as s3://bucket/key")
    return parts["bucket"], parts["key"] or ""


class ObjectStore:
    """Reads and writes artifacts; an artifact becomes visible whole or not at all.

    A single object is put in one request. A folder's files are put first and its manifest last,
    and a reader starts from the manifest, so that a writer that dies leaves nothing behind that
    could be taken for an artifact.
    """

    def __init__(self, settings: Settings) -> None:
        import boto3
        from boto3.s3.transfer import TransferConfig
        from botocore.config import Config

        self.settings = settings
        key, secret = settings.store_access_key_id, settings.store_secret_access_key
        self._where = settings.store_endpoint_url or f"AWS S3 in {settings.store_region}"
        self.bucket = settings.artifacts_bucket
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=settings.store_endpoint_url,
            region_name=settings.store_region,
            aws_access_key_id=key.get_secret_value() if key else None,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=Config(
                retries={"max_attempts": 3, "mode": "standard"},
                connect_timeout=5,
                read_timeout=120,
                max_pool_connections=FILES_AT_ONCE * PARTS_AT_ONCE,
                s3={"addressing_style": "path"} if settings.store_endpoint_url else {},
            ),
        )
        self._transfer = TransferConfig(
            multipart_threshold=MULTIPART_BYTES, multipart_chunksize=PART_BYTES,
            max_concurrency=PARTS_AT_ONCE, io_chunksize=ARRIVING_BYTES,
        )  # fmt: skip

    def uri(self, *parts: str) -> str:
        """Address in the artifacts bucket."""
        return "/".join([f"s3://{self.bucket}", *parts])

    def ensure_bucket(self, bucket: str) -> None:
        """Create a bucket unless it exists."""
        with self._explained(f"s3://{bucket}"):
            existing = {entry["Name"] for entry in self._client.list_buckets()["Buckets"]}
            if bucket not in existing:
                self._client.create_bucket(Bucket=bucket)

    def check(self) -> None:
        """Ask for the artifacts bucket.

        Raises:
            StoreError: the store is unreachable, refuses the keys or lacks the bucket.

        """
        with self._explained(f"s3://{self.bucket}"):
            self._client.head_bucket(Bucket=self.bucket)

    def exists(self, uri: str) -> bool:
        """Whether an object stands at this address."""
        bucket, key = split_uri(uri)
        with self._explained(uri):
            found = self._client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
            return any(entry["Key"] == key for entry in found.get("Contents", []))

    def list(self, prefix_uri: str) -> list[str]:
        """Addresses of all objects below a prefix, sorted."""
        return sorted(f"s3://{b}/{k}" for b, k, _ in self._entries(prefix_uri))

    def sizes(self, prefix_uri: str) -> dict[str, int]:
        """Size in bytes of each object below a prefix, by its address."""
        return {f"s3://{b}/{k}": size for b, k, size in self._entries(prefix_uri)}

    def fingerprint(self, uri: str) -> tuple[str, int]:
        """The store's own tag for an object's content (ETag), and its size in bytes."""
        bucket, key = split_uri(uri)
        with self._explained(uri):
            head = self._client.head_object(Bucket=bucket, Key=key)
            return head["ETag"].strip('"'), head["ContentLength"]

    def put_bytes(self, uri: str, data: bytes) -> Artifact:
        """Write one object."""
        bucket, key = split_uri(uri)
        with self._explained(uri):
            self._client.put_object(
                Bucket=bucket, Key=key, Body=data, ContentType=_content_type(key)
            )
        return Artifact(uri, hashlib.sha256(data).hexdigest(), len(data))

    def get_bytes(self, uri: str) -> bytes:
        """Read one object."""
        bucket, key = split_uri(uri)
        with self._explained(uri):
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def delete(self, prefix_uri: str) -> None:
        """Remove every object below a prefix, manifests first."""
        entries = sorted(self._entries(prefix_uri), key=lambda e: not e[1].endswith(MANIFEST))
        for bucket, key, _ in entries:
            with self._explained(f"s3://{bucket}/{key}"):
                self._client.delete_object(Bucket=bucket, Key=key)

    def put_file(self, uri: str, path: Path) -> Artifact:
        """Write one file as one object, unless the store has it with these bytes already."""
        bucket, key = split_uri(uri)
        with ThreadPoolExecutor(1) as beside:  # the digest is ready when the file is sent
            sha256 = beside.submit(sha256_of_file, path)
            if not self._holds(uri, path):
                with self._explained(uri):
                    self._client.upload_file(
                        str(path),
                        bucket,
                        key,
                        ExtraArgs={"ContentType": _content_type(key)},
                        Config=self._transfer,
                    )
        return Artifact(uri, sha256.result(), path.stat().st_size)

    def _holds(self, uri: str, path: Path) -> bool:
        """Whether an object has the bytes of a file, by the store's own tag for its content.

        A store that does not tell, or whose tags are of another kind, as with some encryption, is
        sent the file again.
        """
        try:
            tag, size = self.fingerprint(uri)
        except StoreAwayError:
            raise
        except StoreError:  # it has none; or refuses to say so to who may not list the bucket
            return False
        return size == path.stat().st_size and tag in etags_of_file(path)

    def get_file(self, artifact: Artifact, path: Path) -> Path:
        """Download one object; the file has its name once its digest is right.

        The bytes are hashed as they arrive, so that none is read twice.

        Raises:
            StoreError: also where the bytes are not those that were written.

        """
        path.parent.mkdir(parents=True, exist_ok=True)
        incomplete = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with incomplete.open("wb") as file:
                arriving = Arriving(file)
                self._fetch(artifact.uri, arriving)
            _check_digest(arriving.digest.hexdigest(), artifact)
            incomplete.replace(path)
        finally:
            incomplete.unlink(missing_ok=True)
        return path

    def _fetch(self, uri: str, arriving: "Arriving") -> None:
        """Hand on one object's bytes in order, in parts and with new tries."""
        bucket, key = split_uri(uri)
        with self._explained(uri):
            self._client.download_fileobj(bucket, key, arriving, Config=self._transfer)  # type: ignore[arg-type] # asks for `write` alone

    def download(self, uri: str, path: Path) -> Path:
        """Copy one object to a file, in parts and with new tries, whatever its digest."""
        bucket, key = split_uri(uri)
        with self._explained(uri):
            self._client.download_file(bucket, key, str(path), Config=self._transfer)
        return path

    def put_folder(self, uri: str, folder: Path) -> Artifact:
        """Write all files below a folder, its manifest last; nothing that stands there already."""
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        names = [path.relative_to(folder).as_posix() for path in paths]
        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            written = pool.map(self.put_file, [f"{uri}/{name}" for name in names], paths)
            files = [asdict(one) for one in written]
        for entry in files:
            entry["name"] = entry.pop("uri").removeprefix(f"{uri}/")
        manifest = json.dumps({"files": files}, sort_keys=True, indent=1).encode()
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / MANIFEST
            path.write_bytes(manifest)
            sealed = self.put_file(f"{uri}/{MANIFEST}", path)
        return Artifact(uri, sealed.sha256, sum(entry["size_bytes"] for entry in files))

    def get_folder(self, artifact: Artifact, folder: Path) -> Path:
        """Download a folder by its manifest and check every digest.

        Raises:
            StoreError: also where the manifest or a file is not what was written.

        """
        data = self.get_bytes(f"{artifact.uri}/{MANIFEST}")
        if hashlib.sha256(data).hexdigest() != artifact.sha256:
            raise StoreError(f"{artifact.uri}/{MANIFEST} was changed after it was written")
        files: list[dict[str, Any]] = json.loads(data)["files"]
        sources = [Artifact(f"{artifact.uri}/{one['name']}", one["sha256"], 0) for one in files]
        paths = [folder / one["name"] for one in files]
        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            for _ in pool.map(self.get_file, sources, paths):
                pass
        return folder

    def _entries(self, prefix_uri: str) -> Iterator[tuple[str, str, int]]:
        bucket, prefix = split_uri(prefix_uri)
        with self._explained(prefix_uri):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix
            )
            for page in pages:
                if "Name" not in page:  # which every store tells, of an empty bucket as well
                    raise StoreError(
                        f"the object store at {self._where} gives no list of {prefix_uri}, and no "
                        "error either"
                    )
                for entry in page.get("Contents", []):
                    yield bucket, entry["Key"], entry["Size"]

    @contextmanager
    def _explained(self, uri: str) -> Iterator[None]:
        """Turn every way in which the store can fail into one message."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            HTTPClientError,
            NoCredentialsError,
        )
        from botocore.exceptions import ConnectionError as UnreachableError
        from s3transfer.exceptions import RetriesExceededError

        try:
            yield
        except (UnreachableError, HTTPClientError) as error:
            raise StoreAwayError(
                f"the object store at {self._where} does not answer; start it (assayline up) or "
                "set ASSAYLINE_STORE_ENDPOINT_URL to the one that runs"
            ) from error
        except NoCredentialsError as error:
            raise StoreError(
                "no keys for the object store; set ASSAYLINE_STORE_ACCESS_KEY_ID and "
                "ASSAYLINE_STORE_SECRET_ACCESS_KEY"
            ) from error
        except ClientError as error:
            raise self._refusal(uri, error) from error
        except Boto3Error as error:  # a failed upload hides the refusal that caused it
            cause = error.__context__
            if isinstance(cause, ClientError):
                raise self._refusal(uri, cause) from error
            raise StoreError(f"{uri}: {error}") from error
        except RetriesExceededError as error:  # where boto3 wraps no error of its own around it
            raise StoreError(f"{uri}: {error.last_exception}") from error
        except BotoCoreError as error:
            raise StoreError(f"{uri}: {error}") from error

    def _refusal(self, uri: str, error: "ClientError") -> StoreError:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in {"404", "NoSuchKey", "NotFound"}:
            return MissingObjectError(f"{uri} does not exist in the object store at {self._where}")
        return StoreError(self._explain_refusal(uri, code, error))

    def _explain_refusal(self, uri: str, code: str, error: "ClientError") -> str:
        if code in {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
            return (
                f"the object store at {self._where} refuses the keys for {uri}; correct "
                "ASSAYLINE_STORE_ACCESS_KEY_ID and ASSAYLINE_STORE_SECRET_ACCESS_KEY"
            )
        if code == "NoSuchBucket":
            return f"the bucket of {uri} does not exist in the object store at {self._where}"
        if code == "InternalError":
            return f"the object store at {self._where} failed on {uri}: {error} (is its disk full?)"
        return f"the object store at {self._where} refused {uri}: {error}"


def _content_type(key: str) -> str:
    """By the name's ending, so that a browser shows a page where it would else save it."""
    return mimetypes.guess_type(key)[0] or "application/octet-stream"


class Arriving:
    """A file that is hashed while it is written: without `seek`, so that parts come in order."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def write(self, part: bytes) -> int:
        """Hash and write some bytes."""
        self.digest.update(part)
        return self._file.write(part)


def _check_digest(seen: str, artifact: Artifact) -> None:
    if seen != artifact.sha256:
        raise StoreError(
            f"{artifact.uri} has sha256 {seen}, and was written with {artifact.sha256}; restore it "
            "from a backup, or delete it and run every stage anew "
            "(`assayline run CONFIG --refresh`)"
        )


def keep_by_digest(
    store: ObjectStore, folder: str, content: bytes, ending: str = "json"
) -> Artifact:
    """Write an object whose name is the SHA-256 of its content."""
    digest = hashlib.sha256(content).hexdigest()
    return store.put_bytes(store.uri(folder, f"{digest}.{ending}"), content)


def read_by_digest(store: ObjectStore, folder: str, sha256: str, ending: str = "json") -> bytes:
    """What `keep_by_digest` wrote.

    Raises:
        IntegrityError: it was changed since.
        StoreError: the store lacks it, or is unreachable.

    """
    uri = store.uri(folder, f"{sha256}.{ending}")
    content = store.get_bytes(uri)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise IntegrityError(f"{uri} was changed after it was written; restore it from a backup")
    return content


def open_store() -> ObjectStore:
    """The store of this process's settings."""
    return ObjectStore(load_settings())
