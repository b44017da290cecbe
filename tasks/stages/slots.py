"""A slot of the concurrency limit ``gpu``, which a run holds while it trains, scores and compares.

A run that waits is in the state AwaitingConcurrencySlot (of type RUNNING), whose message says for
whom and since when. These states are the queue: who was killed is in it no longer, and nothing
else must be tidied. docs/decisions/0026-slots-and-waiting.md says why.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from types import TracebackType
from typing import cast
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import ConcurrencyLeaseHolder, State, StateType
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.context import ConcurrencyContext
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from infra.errors import StackError
from infra.local.leases import leases
from infra.prefect_api import AWAITS_SLOT, GPU_LIMIT, is_away
from infra.run_queue import clock, page_of
from infra.settings import Settings, load_settings
from tasks.stages.slot_queue import Queue, Waiter, held_by, may_take, told

logger = logging.getLogger(__name__)

# A killed run cannot give its slot back; Prefect frees it when the lease runs out. 60 s is the
# shortest lease that the server grants.
GPU_LEASE_S = 60.0
ASK_EVERY_S = 2.0
SAY_EVERY_S = 600.0


@dataclass
class _Kept:
    """A slot that several stages hold together, once the first of them has taken it.

    Attributes:
        held: gives it back when the block ends.
        leases: where Prefect notes what a run must give back when it ends: the run's own, and not
            that of the stage which takes the slot, whose end would end the lease.

    """

    held: ExitStack
    leases: ConcurrencyContext | None
    is_taken: bool = False


_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextmanager
def keep_gpu_slot() -> Iterator[None]:
    """Keep the slot that the first stage of the block takes until the block ends.

    Else another run could take it between two stages, and a run that is nearly done would wait for
    a whole training. A block whose stages are all skipped takes none.
    """
    with ExitStack() as held:
        token = _kept.set(_Kept(held, ConcurrencyContext.get()))
        try:
            yield
        finally:
            _kept.reset(token)


@contextmanager
def _noted_with(leases: ConcurrencyContext | None) -> Iterator[None]:
    """Have what is leased in the block noted there, and not with the task that is running."""
    noted = cast("ContextVar[ConcurrencyContext | None]", ConcurrencyContext.__var__)
    token = noted.set(leases)
    try:
        yield
    finally:
        noted.reset(token)


@contextmanager
def gpu_slot() -> Iterator[None]:
    """Hold a slot for the length of the block; wait for one first, and say for whom.

    Raises:
        StackError: there was none within ASSAYLINE_GPU_WAIT_S; the message says who holds them.

    """
    kept = _kept.get()
    with ExitStack() as own:
        if kept is None or not kept.is_taken:
            noted = _noted_with(kept.leases) if kept else nullcontext()
            with get_client(sync_client=True) as client, noted:
                Wait(client, load_settings()).take(kept.held if kept else own)
        if kept is not None:
            kept.is_taken = True
        yield


@contextmanager
def _given_back(slot: AbstractContextManager[None]) -> Iterator[None]:
    """Hold a slot; a server that is away as it is given back ends no run that has done its work."""

    def give_back(
        kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            slot.__exit__(kind, error, trace)
        except httpx.HTTPError as away:
            logger.warning(
                "Prefect did not take back the slot of the limit %s; it is free again when its "
                "lease runs out, within %.0f s: %s", GPU_LIMIT, GPU_LEASE_S, away,
            )  # fmt: skip

    with ExitStack() as held:
        slot.__enter__()
        held.push(give_back)
        yield


@dataclass
class Wait:
    """The waiting of one run."""

    client: SyncPrefectClient
    settings: Settings
    run_id: UUID | None = field(default_factory=lambda: UUID(flow_run.id) if flow_run.id else None)
    began: float = field(default_factory=time.monotonic)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    _free_since: float | None = None
    _said: str = ""
    _say_again_at: float = 0.0

    def take(self, held: ExitStack) -> None:
        """Wait for a slot, and give it back with the stack."""
        while True:
            try:
                limit = self._limit()
                if limit is None or (self._is_my_turn(limit) and self._enter_slot(held)):
                    break
                self._tell_or_give_up(limit)
            except httpx.HTTPError as error:
                if not is_away(error) or self._waited_for_long():
                    raise StackError(f"Prefect gives no slot of {GPU_LIMIT}: {error}") from error
                logger.warning("Prefect cannot be asked for a slot now: %s", error)
            time.sleep(min(ASK_EVERY_S, self.settings.gpu_wait_s))
        if self._said:
            logger.info("has a slot of the limit %s", GPU_LIMIT)
            self._announce("Running", None)

    def _waited_for_long(self) -> bool:
        return time.monotonic() - self.began >= self.settings.gpu_wait_s

    def _limit(self) -> GlobalConcurrencyLimitResponse | None:
        """The limit; None where nobody made or keeps it.

        Asked before a slot is, since Prefect's client logs each one that it is not given as an
        error.
        """
        try:
            limit = self.client.read_global_concurrency_limit_by_name(GPU_LIMIT)
        except ObjectNotFound:
            return None
        return limit if limit.active else None

    def _is_my_turn(self, limit: GlobalConcurrencyLimitResponse) -> bool:
        free = limit.limit - limit.active_slots
        if free <= 0:
            self._free_since = None
            return False
        now = time.monotonic()
        self._free_since = self._free_since or now
        return may_take(free, self._queue().ahead_of(self.run_id), now - self._free_since)

    @cached_property
    def _own(self) -> Waiter | None:
        began = self.client.read_flow_run(self.run_id).start_time if self.run_id else None
        return Waiter(self.run_id, began) if self.run_id and began else None

    def _queue(self) -> Queue:
        """The runs that wait, this one among them."""
        waiting = FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.RUNNING]),
            name=FlowRunFilterStateName(any_=[AWAITS_SLOT]),
        )
        runs = self.client.read_flow_runs(flow_run_filter=FlowRunFilter(state=waiting))
        waiters = {Waiter(run.id, run.start_time) for run in runs if run.start_time}
        return Queue.of(waiters | ({self._own} if self._own else set()))

    def _enter_slot(self, held: ExitStack) -> bool:
        """Take a slot unless somebody was faster.

        Prefect's own wait has an end by time too, but what it asks for as the time runs out may be
        granted to nobody, until the lease runs out.
        """
        run = self.run_id
        holder = ConcurrencyLeaseHolder(type="flow_run", id=run) if run else None
        slot = concurrency(GPU_LIMIT, lease_duration=GPU_LEASE_S, max_retries=0, holder=holder)
        try:
            held.enter_context(_given_back(slot))
        except ConcurrencySlotAcquisitionError as error:
            if _is_taken(error):
                return False
            if isinstance(error.__cause__, httpx.TransportError):
                raise error.__cause__ from error
            raise StackError(
                f"Prefect gives no slot of the limit {GPU_LIMIT}: {error.__cause__ or error}"
            ) from error
        return True

    def _tell_or_give_up(self, limit: GlobalConcurrencyLimitResponse) -> None:
        """Say for whom the run waits, on its page too, when that is news.

        Raises:
            StackError: it has waited for as long as it may.

        """
        held = self._holders(limit)
        if self._waited_for_long():
            raise StackError(
                f"no slot of the limit {GPU_LIMIT} within {self.settings.gpu_wait_s:g} s "
                f"(ASSAYLINE_GPU_WAIT_S), {held}; wait longer, end that run, or raise the limit in "
                "Prefect's UI under Concurrency"
            )
        queue = self._queue()
        number = queue.ahead_of(self.run_id) + 1
        place = (number, max(number, len(queue.run_ids)))
        words = told(GPU_LIMIT, limit.limit, self.since, place, held)
        if words != self._said or time.monotonic() >= self._say_again_at:
            logger.info("%s", words)
            self._say_again_at = time.monotonic() + SAY_EVERY_S
        if words != self._said:
            self._announce(AWAITS_SLOT, words)
        self._said = words

    def _announce(self, name: str, message: str | None) -> None:
        """Show on the run's page, and to the other runs, that it waits or goes on."""
        if self.run_id is None:
            return
        state = State[None](type=StateType.RUNNING, name=name, message=message)
        try:
            self.client.set_flow_run_state(self.run_id, state)
        except httpx.HTTPError as error:  # what is shown late must not end the run
            logger.warning("Prefect does not take what the run waits for: %s", error)

    def _holders(self, limit: GlobalConcurrencyLimitResponse) -> str:
        """Who holds the slots, as far as the server of this machine tells."""
        return held_by(
            [
                _told_of_run(self.client, lease.metadata.holder.id, lease.created_at)
                for lease in leases(self.settings.home)
                if lease.is_live and lease.metadata.holder and limit.id in lease.resource_ids
            ]
        )


def _is_taken(error: Exception) -> bool:
    cause = error.__cause__
    if not isinstance(cause, httpx.HTTPStatusError):
        return False
    return cause.response.status_code == HTTPStatus.LOCKED


def _told_of_run(client: SyncPrefectClient, run_id: UUID, since: datetime) -> str:
    try:
        run = client.read_flow_run(run_id)
    except ObjectNotFound:
        return f"{run_id} (which was deleted)"
    state = run.state.type.value.lower() if run.state else "without a state"
    page = page_of(str(client.api_url).rstrip("/"), run_id)
    tags = ", ".join(sorted(run.tags)) or "no tags"
    return f"the run {run.name} ({tags}; {state}; {page}) since {clock(since)}"
