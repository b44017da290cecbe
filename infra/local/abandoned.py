"""What a crash leaves on the Prefect server: runs without a process, slots without a holder.

A flow run reports its end itself, or its worker does. Where both were killed it stays Running, and
what it held stays taken. One look finds such runs and slots; what it is not sure of it only
notes, and a later look decides.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil

from infra.errors import StackError
from infra.local.leases import Lease, keeps_leases, leases
from infra.prefect_api import FINAL_STATES, FlowRun, Limit, PrefectApi

logger = logging.getLogger(__name__)

# The variable by which Prefect tells a process which flow run it is.
RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"
WORKER_LABEL = "prefect.worker.name"
# A worker needs some seconds to start a run's process, and to report one that has ended.
PATIENCE_S = 10.0
PENDING_PATIENCE_S = 60.0
SURE_AFTER_S = 1.0
END_STATES: Mapping[str, str] = {
    "RUNNING": "CRASHED",
    "PENDING": "CRASHED",
    "CANCELLING": "CANCELLED",
}


@dataclass(frozen=True)
class Found:
    """What a look has put right: the runs that were ended, and the slots that were freed."""

    runs: tuple[FlowRun, ...] = ()
    slots: int = 0


class AbandonedWork:
    """Ends the runs and frees the slots that nobody will.

    Args:
        prefect_api: the server.
        pool: the work pool whose runs are looked at.
        worker: this machine's worker; runs of another are not looked at.
        home: of the embedded Prefect server; None where it runs elsewhere, since only its files
            tell who holds a slot.

    """

    def __init__(self, prefect_api: PrefectApi, pool: str, worker: str, home: Path | None) -> None:
        self._api = prefect_api
        self._pool = pool
        self._worker = worker
        self._home = home
        self._missed: dict[UUID, float] = {}  # when a run's process was first not found
        self._surplus: dict[UUID, int] = {}  # slots of a limit without a lease, at the last look

    def look(self) -> Found:
        """Look once.

        Raises:
            StackError: the server does not answer or refuses something.

        """
        ended = self._end_runs()
        slots = self._release_leases() + self._free_surplus() if self._home else 0
        return Found(ended, slots)

    @property
    def is_unsure(self) -> bool:
        """Whether the next look may free slots that this one left."""
        return any(self._surplus.values())

    def _end_runs(self) -> tuple[FlowRun, ...]:
        runs = [run for run in self._api.flow_runs(self._pool, END_STATES) if self._is_ours(run)]
        alive = living_runs(runs)
        missing = {run.id: run for run in runs if run.id not in alive}
        now = time.monotonic()
        self._missed = {id_: self._missed.get(id_, now) for id_ in missing}
        return tuple(
            run
            for run in missing.values()
            if now - self._missed[run.id] >= _patience_s(run) and self._end(run)
        )

    def _is_ours(self, run: FlowRun) -> bool:
        """Whether this machine's worker took it; one that is pending may not say by whom yet."""
        taken_by = run.labels.get(WORKER_LABEL)
        return taken_by == self._worker or (taken_by is None and self._home is not None)

    def _end(self, run: FlowRun) -> bool:
        # Its process may have reported its end between the look at the server and that for it.
        now = self._api.flow_run(run.id)
        if now is None or now.state.type not in END_STATES:
            return False
        state = END_STATES[now.state.type]
        message = "its process is gone, and so is the worker that would have told"
        self._api.end_flow_run(run.id, state, message)
        logger.warning("run %s was %s: %s", run.name, now.state.type, message)
        return True

    def _release_leases(self) -> int:
        """Give back what runs that have ended hold; their leases would run out in a minute."""
        released = 0
        for lease in self._leases():
            if self._holder_has_ended(lease):
                self._api.release_lease(lease.id)
                released += lease.metadata.slots
        return released

    def _holder_has_ended(self, lease: Lease) -> bool:
        holder = lease.metadata.holder
        if holder is None or holder.type != "flow_run":
            return False
        run = self._api.flow_run(holder.id)
        return run is None or run.state.type in FINAL_STATES

    def _free_surplus(self) -> int:
        """Free slots that are held without a lease, if they were at the last look already.

        A server that dies between its database and its file of the lease leaves such a slot, and
        so does one that kept its leases in memory. The server counts a slot before it writes the
        lease, so one look may see a slot that has just been given.
        """
        # The limits first: what is given meanwhile can then only make the surplus smaller.
        limits = [one for one in self._api.limits() if not one.slot_decay_per_second]
        found = list(self._leases())
        surplus = {limit.id: _without_lease(limit, found) for limit in limits}
        freed = 0
        for limit in limits:
            slots = min(surplus[limit.id], self._surplus.get(limit.id, 0))
            if slots > 0:
                self._api.free_slots(limit, slots)
                logger.warning(
                    "limit %s: %d slot(s) had no holder, and are free", limit.name, slots
                )
                surplus[limit.id] -= slots
                freed += slots
        self._surplus = surplus
        return freed

    def _leases(self) -> list[Lease]:
        return list(leases(self._home)) if self._home and keeps_leases(self._home) else []


def free_slots_without_holder(prefect_api: PrefectApi, home: Path) -> int:
    """Free the slots that a crash took from the embedded server, where no worker watches it.

    Returns:
        How many there were.

    """
    work = AbandonedWork(prefect_api, pool="", worker="", home=home)
    if work.look().slots or work.is_unsure:
        time.sleep(SURE_AFTER_S)
    return work.look().slots


def watch(work: AbandonedWork, every_s: float) -> None:
    """Look again and again, for as long as the process lives."""
    while True:
        try:
            work.look()
        except (StackError, ValueError, OSError, psutil.Error) as error:
            logger.info("runs without a process are looked for later: %s", error)
        time.sleep(every_s)


def living_runs(runs: list[FlowRun]) -> frozenset[UUID]:
    """Which of these flow runs have a process on this machine.

    Each process of a run, its training's workers too, carries its id in its environment. That of
    another user's process cannot be read; it counts as the run's if it has its pid.
    """
    wanted = {str(run.id): run for run in runs}
    if not wanted:
        return frozenset()
    by_pid = {run.infrastructure_pid: run for run in runs}
    alive = set[UUID]()
    for process in psutil.process_iter():
        try:
            run = wanted.get(process.environ().get(RUN_VARIABLE, ""))
            if run and process.status() != psutil.STATUS_ZOMBIE:
                alive.add(run.id)
        except psutil.AccessDenied:
            if str(process.pid) in by_pid:
                alive.add(by_pid[str(process.pid)].id)
        except psutil.Error:
            continue
    return frozenset(alive)


def _patience_s(run: FlowRun) -> float:
    return PENDING_PATIENCE_S if run.state.type == "PENDING" else PATIENCE_S


def _without_lease(limit: Limit, found: list[Lease]) -> int:
    leased = sum(lease.metadata.slots for lease in found if limit.id in lease.resource_ids)
    return max(0, limit.active_slots - leased)
