"""A stage as a Prefect task: when it runs, when it is skipped, and which device slot it holds.

A stage's key is the digest of its arguments (records and settings), its own source files and the
versions of the libraries that shape its output. Prefect finds an earlier result by that key in the
object store and skips the stage; there is no second cache.
"""

import dataclasses
import errno
import hashlib
import inspect
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from enum import Enum
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.concurrency.sync import concurrency
from prefect.context import TaskRunContext
from pydantic import BaseModel

from infra.errors import StoreError

GPU_LIMIT = "gpu"
# Tells the tasks that run every time from those that are skipped when nothing changed.
LOOK_UP_TAG = "look-up"
# A killed run cannot give its slot back; Prefect frees it when the lease runs out. 60 s is the
# shortest lease that the server grants.
GPU_LEASE_S = 60.0

P = ParamSpec("P")
R = TypeVar("R")


def digest_of(value: object) -> str:
    """SHA-256 of a value's canonical JSON.

    Args:
        value: records, settings, enumerations, paths, JSON scalars, and lists, tuples or string
            keyed mappings of these. Fields marked ``metadata={"identity": False}`` (times, run
            ids) do not count.

    Raises:
        TypeError: the value holds something else, whose digest would not be stable.

    """
    canonical = json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.metadata.get("identity", True)
        }
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum | Path):
        return str(value.value if isinstance(value, Enum) else value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"no stable digest for a {type(value).__name__}: {value!r}")


def _plain_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"no stable digest for a mapping key of type {type(key).__name__}")
    return key


def digest_of_sources(*folders_or_files: Path) -> str:
    """SHA-256 over the names and bytes of source and data files, caches left out."""
    digest = hashlib.sha256()
    for root in folders_or_files:
        paths = [root] if root.is_file() else sorted(root.rglob("*"))
        for path in paths:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(root.parent).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def stage_key(
    name: str, parameters: dict[str, Any], sources: tuple[Path, ...], libraries: tuple[str, ...]
) -> str:
    """The key under which a stage's result is kept."""
    return digest_of(
        {
            "stage": name,
            "parameters": parameters,
            "sources": digest_of_sources(*sources),
            "libraries": {library: version(library) for library in libraries},
        }
    )


@contextmanager
def _explain_full_disk() -> Iterator[None]:
    """Turn a temporary file that finds no room into one message."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise StoreError(
            f"no room on the local disk for temporary files in {tempfile.gettempdir()} ({error}); "
            "make room there, or set TMPDIR to a folder on a larger disk, and run again"
        ) from error


def cached_stage(
    *, also: tuple[Path, ...] = (), libraries: tuple[str, ...] = (), gpu: bool = False
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a stage that is skipped when nothing that it depends on has changed.

    Args:
        also: source files or folders that shape the output, beside the folder that the function
            stands in.
        libraries: distributions whose version shapes the output.
        gpu: hold a slot of the Prefect concurrency limit ``gpu`` while the stage runs.

    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        sources = (Path(inspect.getfile(function)).parent, *also)
        name = function.__name__

        def key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
            return stage_key(name, parameters, sources, libraries)

        @wraps(function)
        def hold_slot(*args: P.args, **kwargs: P.kwargs) -> R:
            slot = concurrency(GPU_LIMIT, lease_duration=GPU_LEASE_S) if gpu else nullcontext()
            with slot, _explain_full_disk():
                return function(*args, **kwargs)

        as_task = task(
            name=name,
            cache_policy=CacheKeyFnPolicy(cache_key_fn=key),
            persist_result=True,
            result_serializer="json",
        )
        return as_task(hold_slot)

    return decorate


def look_up(function: Callable[P, R]) -> Task[P, R]:
    """Make a function a task that runs every time: it reads the outside world, and is cheap."""
    as_task = task(cache_policy=NO_CACHE, persist_result=False, tags=[LOOK_UP_TAG])
    return as_task(function)
