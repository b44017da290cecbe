"""The ledger of a line: every transition, in order, each sealed by the digest of the one before.

An entry is one JSON object at ``ledger/<line>/<number>-<first 8 digits of its sha256>.json``. It
names the SHA-256 of the entry before it, so that an entry that is changed, removed or put between
others breaks the chain at the next one. What a chain cannot show, that its newest entries were
removed, shows in the registry: a version's tag names the entry that moved it last.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from infra.errors import PromotionError
from infra.store import ObjectStore
from tasks.records.registry import LedgerEntry
from tasks.verdicts import Verdict

PROMOTED: Final = "promoted"
REFUSED: Final = "refused"
OVERRIDDEN: Final = "overridden"
ROLLED_BACK: Final = "rolled back"

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


def read_ledger(store: ObjectStore, line: str) -> tuple[LedgerEntry, ...]:
    """All entries of a line, oldest first.

    Raises:
        PromotionError: the chain is broken; each fault with the address of its entry.
        StoreError: the store is unreachable.

    """
    return tuple(recorded.entry for recorded in read_recorded(store, line))


def read_recorded(store: ObjectStore, line: str) -> tuple[Recorded, ...]:
    """As `read_ledger`, each entry with its place."""
    recorded, faults = _read(store, line)
    if faults:
        where = store.uri("ledger", line)
        raise PromotionError(_BROKEN.format(line=line, faults="; ".join(faults), where=where))
    return recorded


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


def append(store: ObjectStore, entry: LedgerEntry, after: Recorded | None) -> Recorded:
    """Add an entry after the newest one that was read.

    The store need not know conditional writes: an entry is written first, and counts only if no
    other of its number is seen then. Of two that are written at the same moment at least one sees
    the other, and whoever sees another takes its own back.

    Raises:
        PromotionError: somebody else added an entry meanwhile.

    """
    number = after.number + 1 if after else 1
    data = _bytes_of(entry)
    sha256 = hashlib.sha256(data).hexdigest()
    uri = store.uri("ledger", entry.line, f"{number:08d}-{sha256[:8]}.json")
    store.put_bytes(uri, data)
    concurrent = [
        other for other in store.list(f"{store.uri('ledger', entry.line)}/{number:08d}-")
        if other != uri
    ]  # fmt: skip
    if concurrent:
        store.delete(uri)
        raise PromotionError(
            f"another transition of {entry.line} was recorded at the same moment "
            f"({concurrent[0]}); nothing was moved by this one: start it again"
        )
    return Recorded(entry, number, uri, sha256)


def _bytes_of(entry: LedgerEntry) -> bytes:
    return json.dumps(asdict(entry), sort_keys=True, indent=1, ensure_ascii=False).encode()


def _read(store: ObjectStore, line: str) -> tuple[tuple[Recorded, ...], tuple[str, ...]]:
    uris = store.list(store.uri("ledger", line) + "/")
    recorded: list[Recorded] = []
    faults: list[str] = []
    before = ""
    for number, uri in enumerate(uris, start=1):
        data = store.get_bytes(uri)
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            entry = _parse(data)
        except (ValueError, TypeError, KeyError) as error:
            faults.append(f"{uri} is no ledger entry ({error})")
            before = sha256
            continue
        faults += _faults_of(entry, line, number, uri, sha256, before)
        recorded.append(Recorded(entry, number, uri, sha256))
        before = sha256
    return tuple(recorded), tuple(faults)


def _faults_of(
    entry: LedgerEntry, line: str, number: int, uri: str, sha256: str, before: str
) -> Iterator[str]:
    name = _NAME.fullmatch(uri.rsplit("/", 1)[1])
    if not name or int(name[1]) != number:
        yield f"{uri} stands where entry {number} belongs"
    if not name or name[2] != sha256[:8]:
        yield f"{uri} was changed after it was written"
    if entry.previous_sha256 != before:
        yield f"{uri} does not follow the entry before it"
    if entry.line != line:
        yield f"{uri} is of line {entry.line!r}"


def _parse(data: bytes) -> LedgerEntry:
    fields = json.loads(data)
    verdict = fields["verdict"]
    return LedgerEntry(**{**fields, "verdict": None if verdict is None else Verdict(verdict)})
