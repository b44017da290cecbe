"""The ledger of a line: every transition, in order, each sealed by the digest of the one before.

An entry is one JSON object at ``ledger/<line>/<number>-<first 8 digits of its sha256>.json``. It
names the SHA-256 of the entry before it, so that an entry that is changed, removed or put between
others breaks the chain at the next one. Which of several entries of one number counts, and that the
newest ones were removed, the registry knows: see `tasks.registry.ledger_index`. What is written and
does not count is set aside below ``ledger/<line>/aside/``.
"""

import hashlib
import json
import re
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from infra.errors import (
    AssaylineError,
    MissingObjectError,
    OvertakenError,
    PromotionError,
    StoreError,
    TrackingError,
)
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger_index import LedgerIndex, claim, read_index
from tasks.verdicts import Verdict

PROMOTED: Final = "promoted"
REFUSED: Final = "refused"
OVERRIDDEN: Final = "overridden"
ROLLED_BACK: Final = "rolled back"
MOVED_OUTSIDE: Final = "moved outside"
ACCEPTED: Final = "accepted"
RESTORED: Final = "restored"
AWAITING: Final = "awaiting approval"
REJECTED: Final = "rejected"
WITHDRAWN: Final = "withdrawn"
CANARY_STARTED: Final = "canary started"
CANARY_ADVANCED: Final = "canary advanced"
CANARY_STOPPED: Final = "canary stopped"

BY_POLICY: Final = "policy"  # who decided, where no person did

ASIDE: Final = "aside"
# How long the newest entry is waited for, in a store that shows late what was written.
LATE_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.2
_NAME: Final = re.compile(r"(\d{8})-([0-9a-f]{8})\.json")
_BROKEN: Final = (
    "the ledger of {line} is not what was written: {faults}. Nothing is promoted on it; restore "
    "the objects below {where} from a backup"
)


@dataclass(frozen=True)
class Recorded:
    """An entry as it lies in the store.

    Attributes:
        number: from 1, in order.
        sha256: of the object's bytes.

    """

    entry: LedgerEntry
    number: int
    uri: str
    sha256: str


@dataclass(frozen=True)
class Reading:
    """A ledger as it was read.

    Attributes:
        recorded: the entries that count and can be read, oldest first.
        faults: what is not as it was written, each with its address.
        remarks: what is to be known and is no fault.
        strays: addresses of objects that do not count, beside the entries.

    """

    recorded: tuple[Recorded, ...]
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()


def read_ledger(
    store: ObjectStore, line: str, tracking: Tracking | None = None
) -> tuple[LedgerEntry, ...]:
    """All entries of a line, oldest first.

    Args:
        store: where it lies.
        line: whose it is.
        tracking: the registry, which knows the entries that the store may have lost; without it
            the chain alone is verified.

    Raises:
        PromotionError: the chain is broken; each fault with the address of its entry.
        StoreError, TrackingError: a server is unreachable.

    """
    objects = objects_of(store, line)
    index = read_index(line, tracking) if tracking else None
    reading = read(store, line, objects, index)
    return tuple(recorded.entry for recorded in whole(reading, store, line))


def whole(reading: Reading, store: ObjectStore, line: str) -> tuple[Recorded, ...]:
    """The entries of a ledger that has no fault.

    Raises:
        PromotionError: it has; each with the address of its entry.

    """
    if reading.faults:
        where = store.uri("ledger", line)
        message = _BROKEN.format(line=line, faults="; ".join(reading.faults), where=where)
        raise PromotionError(message)
    return reading.recorded


def objects_of(store: ObjectStore, line: str) -> tuple[str, ...]:
    """Addresses of the objects of a ledger, but those that were set aside.

    They are listed before the index is asked: of a number that stands in the list the one before
    counted already, so that the index knows it.
    """
    folder = store.uri("ledger", line) + "/"
    return tuple(uri for uri in store.list(folder) if not uri.startswith(f"{folder}{ASIDE}/"))


def read(
    store: ObjectStore,
    line: str,
    objects: Sequence[str],
    index: LedgerIndex | None,
    named: Collection[str] = (),
) -> Reading:
    """Read a ledger, and find what is not as it was written.

    Args:
        store: where it lies.
        line: whose it is.
        objects: of `objects_of`.
        index: which entries count. Without one, or with one that has not begun, those count
            that lie in the store; of two of one number that which the next one follows.
        named: addresses that tags of versions name, which settles what is left of that.

    Raises:
        StoreError: the store is unreachable.

    """
    if index and index.begun:
        return _read_indexed(store, line, index, objects)
    return _read_alone(store, line, objects, named)


def newest_first(store: ObjectStore, line: str, index: LedgerIndex) -> Iterator[Recorded]:
    """The entries that count, newest first, each read when it is asked for.

    Nothing is asked of those before, so that what is wrong with them is not seen; each one is held
    against the digest that the registry has of it.

    Args:
        store: where they lie.
        line: whose they are.
        index: which of them count.

    Raises:
        PromotionError: one is missing, or is not what was written.
        StoreError: the store is unreachable.

    """
    for number, sha256 in sorted(index.entries.items(), reverse=True):
        uri = _address(store, line, number, sha256)
        data = _get(store, uri, LATE_S if number == index.newest else 0.0)
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            fault = f"{uri} is {'missing' if data is None else 'not what the registry knows'}"
            where = store.uri("ledger", line)
            raise PromotionError(_BROKEN.format(line=line, faults=fault, where=where))
        yield Recorded(_parse(data), number, uri, sha256)


def production_at(entries: Sequence[LedgerEntry], when: datetime) -> int | None:
    """The version that was in production at a time; None where there was none.

    Args:
        entries: of one line, oldest first.
        when: with a time zone.

    """
    earlier = [entry for entry in entries if datetime.fromisoformat(entry.at) <= when]
    return earlier[-1].to_version if earlier else None


def now() -> str:
    """The time of an entry: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def append(
    store: ObjectStore, tracking: Tracking, entry: LedgerEntry, after: Recorded | None
) -> Recorded:
    """Add an entry after the newest one that was read.

    It is written first, and counts when the registry has set it under its number, which it does
    for one of those that are written at the same moment. A process that dies between the two leaves
    an object that does not count and is in nobody's way.

    Raises:
        OvertakenError: another entry counts under this number.
        StoreError: the store does not give back what was written.
        TrackingError: the registry failed, and does not tell whether the entry counts.

    """
    number = after.number + 1 if after else 1
    data = _bytes_of(entry)
    sha256 = hashlib.sha256(data).hexdigest()
    uri = _address(store, entry.line, number, sha256)
    store.put_bytes(uri, data)
    if _get(store, uri, LATE_S) != data:
        raise StoreError(
            f"the object store took {uri} and does not give it back as it was written; nothing "
            "was recorded and nothing was moved"
        )
    try:
        counts = claim(entry.line, number, sha256, tracking)
    except TrackingError as error:
        raise TrackingError(
            f"{error}; whether entry {number} of {entry.line} ({entry.action} version "
            f"{entry.candidate_version}, by {entry.who}) was recorded is not known, and nothing "
            f"was moved yet: see `assayline ledger {entry.line}`"
        ) from error
    if counts != sha256:
        store.delete(uri)
        raise OvertakenError(_overtaken(store, entry.line, number, counts))
    return Recorded(entry, number, uri, sha256)


def set_aside(store: ObjectStore, line: str, reading: Reading, index: LedgerIndex) -> list[str]:
    """Move objects that can no longer count out of the way.

    One whose number is not taken yet may be an entry that somebody writes now, and stays.

    Returns:
        Where they lie now.

    """
    moved = []
    for uri in reading.strays:
        name = uri.rsplit("/", 1)[1]
        if 0 < _number(uri) <= index.newest:
            try:
                kept = store.put_bytes(store.uri("ledger", line, ASIDE, name), store.get_bytes(uri))
            except MissingObjectError:  # its writer took it back meanwhile
                continue
            store.delete(uri)
            moved.append(kept.uri)
    return moved


def _overtaken(store: ObjectStore, line: str, number: int, sha256: str) -> str:
    try:
        other = _parse(store.get_bytes(_address(store, line, number, sha256)))
        what = f"{other.action} version {other.candidate_version}, by {other.who} ({other.reason})"
    except (AssaylineError, ValueError, TypeError, KeyError):
        what = f"sha256 {sha256}"
    return (
        f"another transition of {line} was recorded at the same moment: entry {number}, {what}. "
        f"Nothing was moved by this one; see `assayline ledger {line}`, and start it again if it "
        "is still wanted"
    )


def _bytes_of(entry: LedgerEntry) -> bytes:
    return json.dumps(asdict(entry), sort_keys=True, indent=1, ensure_ascii=False).encode()


def _address(store: ObjectStore, line: str, number: int, sha256: str) -> str:
    return store.uri("ledger", line, f"{number:08d}-{sha256[:8]}.json")


def _number(uri: str) -> int:
    """Of an entry by its address; 0 for an object that is named otherwise."""
    name = _NAME.fullmatch(uri.rsplit("/", 1)[1])
    return int(name[1]) if name else 0


def _by_number(objects: Sequence[str]) -> dict[int, list[str]]:
    listed: dict[int, list[str]] = defaultdict(list)
    for uri in objects:
        listed[_number(uri)].append(uri)
    return listed


class _Chain:
    """Entries as they are read one after another, and what is wrong between them."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.recorded: list[Recorded] = []
        self.faults: list[str] = []
        self.remarks: list[str] = []
        self._before = ""

    def add(self, number: int, uri: str, data: bytes) -> None:
        """Take the object that lies where the next entry is expected."""
        sha256 = hashlib.sha256(data).hexdigest()
        if _number(uri) != number:
            self.faults.append(f"{uri} stands where entry {number} belongs")
        if not uri.endswith(f"-{sha256[:8]}.json"):
            self.faults.append(f"{uri} was changed after it was written")
        try:
            entry = _parse(data)
        except (ValueError, TypeError, KeyError) as error:
            self.faults.append(f"{uri} is no ledger entry ({error})")
        else:
            self._follow(entry, uri, since_told=b'"previous_version"' in data)
            self.recorded.append(Recorded(entry, number, uri, sha256))
        self._before = sha256

    def reading(self, strays: Sequence[str]) -> Reading:
        """All that was read."""
        found = tuple(self.recorded), tuple(self.faults), tuple(self.remarks)
        return Reading(*found, tuple(strays))

    def _follow(self, entry: LedgerEntry, uri: str, *, since_told: bool) -> None:
        if entry.previous_sha256 != self._before:
            self.faults.append(f"{uri} does not follow the entry before it")
        if entry.line != self.line:
            self.faults.append(f"{uri} is of line {entry.line!r}")
        last = self.recorded[-1].entry.to_version if self.recorded else None
        if entry.from_version == last:
            return
        if since_told:
            self.faults.append(
                f"{uri} goes on from version {entry.from_version}, and the entry before it left "
                f"{_version(last)} in production"
            )
        else:
            self.remarks.append(
                f"before {entry.at} production was moved outside of the ledger, from "
                f"{_version(last)} to {_version(entry.from_version)}; the release that recorded "
                f"{uri} did not look for that"
            )


def _read_indexed(
    store: ObjectStore, line: str, index: LedgerIndex, objects: Sequence[str]
) -> Reading:
    chain = _Chain(line)
    addresses = {
        number: _address(store, line, number, sha256)
        for number, sha256 in sorted(index.entries.items())
    }
    for number, uri in addresses.items():
        data = _get(store, uri, LATE_S if number == index.newest else 0.0)
        if data is None:
            chain.faults.append(f"{uri} is missing, which the registry knows as entry {number}")
        else:
            chain.add(number, uri, data)
            if hashlib.sha256(data).hexdigest() != index.entries[number]:
                chain.faults.append(f"{uri} is not what the registry knows as entry {number}")
    strays = sorted(set(objects) - set(addresses.values()))
    # An entry is written when the registry knows the one before it, or has known it.
    chain.faults += [
        f"{uri} is newer than what the registry knows, {index.newest} entries: MLflow's database "
        "is older than the ledger"
        for uri in strays
        if _number(uri) > index.newest + 1
    ]
    return chain.reading(strays)


def _read_alone(
    store: ObjectStore, line: str, objects: Sequence[str], named: Collection[str]
) -> Reading:
    chain = _Chain(line)
    listed = _by_number(objects)
    strangers = listed.pop(0, [])
    contents = {uri: store.get_bytes(uri) for uri in objects}
    chosen = [_choose(listed, number, contents, named) for number in sorted(listed)]
    for number, uri in enumerate([*chosen, *strangers], start=1):
        chain.add(number, uri, contents[uri])
    return chain.reading(sorted(set(objects) - {*chosen, *strangers}))


def _choose(
    listed: Mapping[int, list[str]],
    number: int,
    contents: Mapping[str, bytes],
    named: Collection[str],
) -> str:
    """Of several entries of one number that which the next one follows, or a version names.

    Where neither is so, none of them was carried out, and any will do that everybody chooses.
    """
    followed = {_follows(contents[uri]) for uri in listed.get(number + 1, ())}
    for uri in listed[number]:
        if hashlib.sha256(contents[uri]).hexdigest() in followed:
            return uri
    return next((uri for uri in listed[number] if uri in named), listed[number][0])


def _follows(data: bytes) -> str:
    try:
        return _parse(data).previous_sha256
    except (ValueError, TypeError, KeyError):
        return ""


def _get(store: ObjectStore, uri: str, patience_s: float) -> bytes | None:
    """An object's bytes; None where the store has none, also after some patience."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return store.get_bytes(uri)
        except MissingObjectError:
            if time.monotonic() >= deadline:
                return None
            time.sleep(_LOOK_EVERY_S)


def _parse(data: bytes) -> LedgerEntry:
    fields: dict[str, Any] = json.loads(data)
    verdict = fields["verdict"]
    return LedgerEntry(**{**fields, "verdict": None if verdict is None else Verdict(verdict)})


def _version(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"
