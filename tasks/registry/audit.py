"""A ledger held against all that the registry knows of it, for a person who asks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from infra.model_registry import KnownVersion
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import ASIDE, Reading, objects_of, read, whole
from tasks.registry.ledger_index import LedgerIndex, read_index
from tasks.registry.line_state import LineState, entries_named, lacks_entry
from tasks.registry.outside_moves import refusal


@dataclass(frozen=True)
class Audit:
    """What a ledger holds.

    Attributes:
        entries: oldest first.
        remarks: what is to be known of it, and is no fault.
        disagreement: of the aliases with the ledger, and what to do; empty where they agree.

    """

    entries: tuple[LedgerEntry, ...]
    remarks: tuple[str, ...]
    disagreement: str


def audit_ledger(line: str, *, store: ObjectStore, tracking: Tracking) -> Audit:
    """Read a ledger, and ask the registry what is missing of it.

    Raises:
        PromotionError: entries are missing or are not as they were written, each with its address.
        StoreError, TrackingError: a server is unreachable, so that nobody can tell.

    """
    # In this order: what is recorded meanwhile is known to the next of these.
    versions, objects = tracking.known_versions(line), objects_of(store, line)
    index = read_index(line, tracking)
    reading = read(store, line, objects, index, entries_named(versions))
    faults = (*reading.faults, *_missing(line, reading, versions))
    recorded = whole(Reading(reading.recorded, faults), store, line)
    entries = tuple(one.entry for one in recorded)
    remarks = (*reading.remarks, *_remarks(line, reading, index, store))
    return Audit(entries, remarks, disagreement(line, store=store, tracking=tracking))


def disagreement(line: str, *, store: ObjectStore, tracking: Tracking) -> str:
    """What the aliases of a line say against its ledger; empty where they agree.

    Raises:
        PromotionError: the ledger is not what was written.
        StoreError, TrackingError: a server is unreachable.

    """
    state = LineState(line, store, tracking)
    if state.in_doubt:
        return refusal(state, tracking)
    if state.pending:
        return (
            f"entry {state.pending.number} of {line} ({state.pending.entry.action}, by "
            f"{state.pending.entry.who}) is not carried out to the end; the next transition of the "
            "line does that"
        )
    if state.stale:
        return (
            f"production and previous of {line} name {state.aliases}, which a process left that "
            f"slept or was killed; the next transition sets them to {state.outcome.served}"
        )
    return ""


def _missing(line: str, reading: Reading, versions: Mapping[int, KnownVersion]) -> Iterator[str]:
    known = {recorded.uri for recorded in reading.recorded}
    for uri, version in sorted(entries_named(versions).items()):
        if uri not in known and not any(uri in fault for fault in reading.faults):
            yield lacks_entry(line, version, uri)


def _remarks(line: str, reading: Reading, index: LedgerIndex, store: ObjectStore) -> Iterator[str]:
    if reading.recorded and not index.begun:
        yield (
            "an earlier release recorded these entries, so that only tags of versions tell whether "
            "newer ones are missing; from the next transition on the registry knows each of them"
        )
    for before, after in pairwise(reading.recorded):
        if datetime.fromisoformat(after.entry.at) < datetime.fromisoformat(before.entry.at):
            yield (
                f"entry {after.number} is dated {after.entry.at}, before entry {before.number} "
                f"({before.entry.at}): a clock was set back. Their order is that of their numbers"
            )
    if reading.strays:
        yield (
            f"{', '.join(reading.strays)} do not count: an entry that lost against another one of "
            "its moment, or is being written now; the next transition sets them aside"
        )
    if aside := store.list(store.uri("ledger", line, ASIDE) + "/"):
        yield f"{len(aside)} entries that never counted lie in {store.uri('ledger', line, ASIDE)}"
