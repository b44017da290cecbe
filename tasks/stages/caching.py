"""A stage as a Prefect task: when it runs, when it is skipped, and which device slot it holds.

A stage's key is the digest of its arguments (records and settings) and of the code that it reaches
(see `infra.code_digest`). Prefect finds an earlier result by that key in the object store and skips
the stage; there is no second cache. Each result is signed (`infra.result_signatures`). One that is
not what this stack kept is never used: the stage says so, and fails. Nor is one without a
signature, as earlier releases kept them: the stage runs again.
"""

import dataclasses
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.context import TaskRunContext
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.transactions import get_transaction
from prefect.utilities.annotations import opaque

from infra.code_digest import code_of
from infra.digests import as_json, digest_of
from infra.errors import IntegrityError, MissingObjectError, StoreError
from infra.full_disk import explain_full_disk
from infra.result_signatures import UnsignedResultError
from infra.settings import load_settings
from infra.signed_results import KeptResults
from infra.store import open_store
from infra.temporary_files import own_temporary_folder
from infra.thread_waits import short_waits_under_load
from tasks.stages.reasons import StageRun, keep_run, now
from tasks.stages.retries import JITTER, PAUSES_S, server_was_away
from tasks.stages.slots import gpu_slot

logger = logging.getLogger(__name__)

# Prefect's version of the tasks that run every time, which tells them from those that are skipped
# when nothing changed. Not a tag: before a task with one, Prefect asks its server for a slot.
LOOK_UP_VERSION = "look-up"

P = ParamSpec("P")
R = TypeVar("R")


class Stage(Task[P, R]):
    """A task whose arguments are records and settings, as `Task` takes them.

    Prefect looks through all that a task is called with for results of other tasks, twice, and a
    record of scores holds many thousand numbers: it took as long as all else that Prefect does in
    a run that changes nothing. Here each argument is looked at and not into, which is enough for
    what the run's page shows: which stage made which record.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the stage."""
        run: Callable[..., Any] = super().__call__
        named = {name: opaque(value) for name, value in kwargs.items()}
        return run(*(opaque(value) for value in args), **named)


def stage_key(module: str, function: str, parameters: dict[str, Any]) -> str:
    """The key under which a stage's result is kept.

    Args:
        module: that the stage's function stands in.
        function: its name.
        parameters: what it is called with, by name.

    """
    arguments = as_json(parameters)
    code = code_of(module, function, arguments)
    return digest_of({"stage": function, "parameters": arguments, "code": code.digest})


def cached_stage(*, gpu: bool = False) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a stage that is skipped when nothing that it depends on has changed.

    Args:
        gpu: hold a slot of the Prefect concurrency limit ``gpu`` while the stage runs.

    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        module, name = function.__module__, function.__name__

        def key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
            return stage_key(module, name, parameters)

        @wraps(function)
        def hold_slot(*args: P.args, **kwargs: P.kwargs) -> R:
            _refuse_a_changed_result(name)
            slot = gpu_slot() if gpu else nullcontext()
            _keep_reason(module, name, inspect.signature(function).bind(*args, **kwargs).arguments)
            waits = short_waits_under_load() if gpu else nullcontext()
            with slot, waits, in_own_folder(), _explain_lost_artifact():
                return function(*args, **kwargs)

        return Stage(
            hold_slot,
            name=name,
            cache_policy=CacheKeyFnPolicy(cache_key_fn=key),
            persist_result=True,
            result_serializer="json",
            retries=len(PAUSES_S),
            retry_delay_seconds=list(PAUSES_S),
            retry_jitter_factor=JITTER,
            retry_condition_fn=server_was_away,
        )

    return decorate


def look_up(function: Callable[P, R]) -> Task[P, R]:
    """Make a function a task that runs every time: it reads the outside world, and is cheap."""

    @wraps(function)
    def with_room(*args: P.args, **kwargs: P.kwargs) -> R:
        with in_own_folder():
            return function(*args, **kwargs)

    return Stage(
        with_room,
        cache_policy=NO_CACHE,
        persist_result=False,
        version=LOOK_UP_VERSION,
        retries=len(PAUSES_S),
        retry_delay_seconds=list(PAUSES_S),
        retry_jitter_factor=JITTER,
        retry_condition_fn=server_was_away,
    )


def _refuse_a_changed_result(stage: str) -> None:
    """See whether a stage runs because its kept result is not what was kept.

    Prefect takes each error for a result that is not there.

    Raises:
        IntegrityError: it was changed, or is signed with another key.

    """
    if get_current_settings().tasks.refresh_cache:
        return  # it is about to be written anew
    transaction = get_transaction()
    key = transaction.key if transaction and TaskRunContext.get() else None
    if key is None:
        return
    try:
        KeptResults(load_settings()).read(key)
    except UnsignedResultError as error:
        logger.warning("%s runs again: %s", stage, error)
    except IntegrityError as error:
        raise IntegrityError(f"the kept result of {stage} cannot be used: {error}") from error
    except StoreError:
        return  # there is none; a store that is away is told by what comes next


def _keep_reason(module: str, name: str, parameters: dict[str, Any]) -> None:
    """Keep why a stage of a line's flow runs; a call outside of a flow leaves nothing."""
    config = flow_run.parameters.get("config") if flow_run.id else None
    line = config.get("line") if isinstance(config, dict) else getattr(config, "line", None)
    if line:
        arguments = as_json(parameters)
        code = code_of(module, name, arguments)
        inputs = tuple(key for key, value in parameters.items() if _is_record(value))
        run = StageRun(name, now(), str(flow_run.id), arguments, inputs, code)
        keep_run(str(line), run, open_store())


def _is_record(value: object) -> bool:
    """Whether another stage made an argument; a tuple of records counts too."""
    one = value[0] if isinstance(value, tuple) and value else value
    return dataclasses.is_dataclass(one)


@contextmanager
def in_own_folder() -> Iterator[None]:
    """Temporary files in a folder that goes with the process; one message where there is no room.

    Raises:
        StoreError: there was none.

    """
    with explain_full_disk(), own_temporary_folder():
        yield


@contextmanager
def _explain_lost_artifact() -> Iterator[None]:
    """Say what helps where the record of an earlier stage was kept, and what it names was not."""
    try:
        yield
    except MissingObjectError as error:
        raise StoreError(
            f"{error}. Where an earlier stage made it, its kept result names it still: restore the "
            "object from a backup, or run every stage anew (`assayline run CONFIG --refresh`)"
        ) from error
