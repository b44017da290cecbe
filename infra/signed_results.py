"""Prefect's storage of results: the object store, each result with its signature.

Run as ``python -m infra.signed_results``, it saves the block that names this storage on the Prefect
server of the environment: in a process of its own, which needs Prefect's classes, and must not see
the user's own Prefect profile. The block holds no key of any kind: each process reaches the store,
and checks what it finds there, by its own settings.
"""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prefect.filesystems import WritableFileSystem
from pydantic import Field, PrivateAttr

from infra.errors import IntegrityError
from infra.result_signatures import UnsignedResultError, opened, result_key, sign
from infra.results_block import BLOCK_NAME, BLOCK_TYPE, wanted
from infra.settings import Settings, load_settings
from infra.store import ObjectStore


class KeptResults:
    """The results of these settings' store, each read and written with its signature."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.results_bucket
        self._key = result_key(settings)
        self._store = ObjectStore(settings)

    def names(self) -> list[str]:
        """Of all results, sorted."""
        root = f"s3://{self._bucket}/"
        return [uri.removeprefix(root) for uri in self._store.list(root)]

    def read(self, name: str) -> bytes:
        """A result, once its signature is seen to be right.

        Raises:
            UnsignedResultError: it has none.
            IntegrityError: it has another.
            StoreError: it is not there, or the store is unreachable.

        """
        uri = f"s3://{self._bucket}/{name}"
        return opened(name, self._store.get_bytes(uri), self._key, uri)

    def write(self, name: str, content: bytes) -> None:
        """Keep a result."""
        self._store.put_bytes(f"s3://{self._bucket}/{name}", sign(name, content, self._key))


@dataclass(frozen=True)
class ResultsCheck:
    """What was found of all kept results.

    Attributes:
        signed: how many are as this stack kept them.
        unsigned: how many have no signature, and are not used.
        wrong: what is wrong with each of the others.

    """

    signed: int
    unsigned: int
    wrong: tuple[str, ...]


def check_results(results: KeptResults) -> ResultsCheck:
    """Look at the signature of every kept result.

    Raises:
        StoreError: the store is unreachable.

    """
    signed = unsigned = 0
    wrong = []
    for name in results.names():
        try:
            results.read(name)
            signed += 1
        except UnsignedResultError:
            unsigned += 1
        except IntegrityError as error:
            wrong.append(str(error))
    return ResultsCheck(signed, unsigned, tuple(wrong))


class _Opened:
    """The results of this process's settings, opened when the first one is asked for."""

    @cached_property
    def results(self) -> KeptResults:
        return KeptResults(load_settings())


class SignedResults(WritableFileSystem):
    """Results in the object store, signed with a secret of the stack."""

    _block_type_name = "Assayline results"
    _block_type_slug = BLOCK_TYPE

    bucket_name: str = Field(description="Bucket of the results.")
    endpoint_url: str = Field(description="S3 endpoint; empty for AWS.")
    _opened: _Opened = PrivateAttr(default_factory=_Opened)

    def read_path(self, path: str, **_: Any) -> bytes:  # type: ignore[override]
        """A result.

        Prefect takes each error for a result that is not there, and runs the stage, which then
        looks itself (`tasks.stages.caching`).

        Raises:
            IntegrityError: it is not what this stack kept under this name.
            StoreError: it is not there, or the store is unreachable.

        """
        return self._opened.results.read(path)

    async def aread_path(self, path: str) -> bytes:
        """As `read_path`."""
        return await asyncio.to_thread(self.read_path, path)

    def write_path(self, path: str, content: bytes, **_: Any) -> None:  # type: ignore[override]
        """Keep a result."""
        self._opened.results.write(path, content)

    async def awrite_path(self, path: str, content: bytes) -> None:
        """As `write_path`."""
        await asyncio.to_thread(self.write_path, path, content)


if __name__ == "__main__":
    SignedResults(**wanted(load_settings())).save(BLOCK_NAME, overwrite=True)
