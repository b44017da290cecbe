"""A slot of the concurrency limit ``gpu``, which a stage holds while it uses the device."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from infra.errors import StackError
from infra.local.leases import leases
from infra.prefect_api import GPU_LIMIT
from infra.settings import Settings, load_settings

logger = logging.getLogger(__name__)

# A killed run cannot give its slot back; Prefect frees it when the lease runs out. 60 s is the
# shortest lease that the server grants.
GPU_LEASE_S = 60.0
ASK_EVERY_S = 2.0
SAY_EVERY_S = 600.0


@contextmanager
def gpu_slot() -> Iterator[None]:
    """Hold a slot for the length of the block; wait for one first, and say for whom.

    Raises:
        StackError: there was none within ASSAYLINE_GPU_WAIT_S; the message says who holds them.

    """
    settings = load_settings()
    with ExitStack() as held:
        with get_client(sync_client=True) as client:
            _wait_for_slot(client, settings, held)
        yield


def _wait_for_slot(client: SyncPrefectClient, settings: Settings, held: ExitStack) -> None:
    began = time.monotonic()
    said, say_again_at = "", 0.0
    while not (_is_free(client) and _enter_slot(held)):
        holders = _holders(client, settings)
        if time.monotonic() - began >= settings.gpu_wait_s:
            raise StackError(
                f"no slot of the limit {GPU_LIMIT} within {settings.gpu_wait_s:g} s "
                f"(ASSAYLINE_GPU_WAIT_S), {holders}; wait longer, end that run, or raise the "
                "limit in Prefect's UI under Concurrency"
            )
        if holders != said or time.monotonic() >= say_again_at:
            logger.info("waits for a slot of the limit %s, %s", GPU_LIMIT, holders)
            said, say_again_at = holders, time.monotonic() + SAY_EVERY_S
        time.sleep(min(ASK_EVERY_S, settings.gpu_wait_s))


def _is_free(client: SyncPrefectClient) -> bool:
    """Whether a slot is free, or nobody made or keeps the limit.

    Asked first, since Prefect's client logs each slot that it is not given as an error.
    """
    try:
        limit = client.read_global_concurrency_limit_by_name(GPU_LIMIT)
    except ObjectNotFound:
        return True
    return not limit.active or limit.active_slots < limit.limit


def _enter_slot(held: ExitStack) -> bool:
    """Take a slot unless somebody was faster, and give it back with the stack.

    Prefect's own wait has an end by time too, but what it asks for as the time runs out may be
    granted to nobody, until the lease runs out.
    """
    run_id = flow_run.id
    holder = ConcurrencyLeaseHolder(type="flow_run", id=UUID(run_id)) if run_id else None
    slot = concurrency(GPU_LIMIT, lease_duration=GPU_LEASE_S, max_retries=0, holder=holder)
    try:
        held.enter_context(slot)
    except ConcurrencySlotAcquisitionError as error:
        if _is_taken(error):
            return False
        raise StackError(
            f"Prefect gives no slot of the limit {GPU_LIMIT}: {error.__cause__ or error}"
        ) from error
    return True


def _is_taken(error: Exception) -> bool:
    cause = error.__cause__
    if not isinstance(cause, httpx.HTTPStatusError):
        return False
    return cause.response.status_code == HTTPStatus.LOCKED


def _holders(client: SyncPrefectClient, settings: Settings) -> str:
    """Who holds the slots, as far as the server of this machine tells."""
    limit = client.read_global_concurrency_limit_by_name(GPU_LIMIT)
    holders = {
        lease.metadata.holder.id
        for lease in leases(settings.home)
        if lease.is_live and lease.metadata.holder and limit.id in lease.resource_ids
    }
    told = sorted(_told_of_run(client, holder) for holder in holders)
    return f"held by the run {' and the run '.join(told)}" if told else "held by others"


def _told_of_run(client: SyncPrefectClient, run_id: UUID) -> str:
    try:
        run = client.read_flow_run(run_id)
    except ObjectNotFound:
        return f"{run_id} (which was deleted)"
    state = run.state.type.value.lower() if run.state else "without a state"
    page = f"{str(client.api_url).rstrip('/').removesuffix('/api')}/runs/flow-run/{run_id}"
    return f"{run.name} ({', '.join(sorted(run.tags)) or 'no tags'}; {state}; {page})"
