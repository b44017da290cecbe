"""What the registry keeps of a ledger: the SHA-256 of each entry, by its number, set once.

An entry counts when its SHA-256 is set here under its number, and not before: of two entries of one
number that are written at the same moment, or of one whose writer died, MLflow's database decides
which counts (`infra.write_once`), whatever the object store can do. So the registry also knows an
entry that the store lost, or shows as it was before.

Beside it stands who is about to move aliases: a process marks the entry that it carries out, and
takes the mark back when it has seen that the entry was still the newest one afterwards. The mark of
a process that was killed, or still sleeps, tells a stale alias from one that a person moved.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from infra.tracking import Tracking

# Number of the entries that were set when the index began, as a text.
_BEGUN: Final = "begun_with"
_NUMBER: Final = re.compile(r"\d{8}")
_MOVER: Final = re.compile(r"assayline\.moving\.(\d{8})\.[0-9a-f]{8}")


@dataclass(frozen=True)
class LedgerIndex:
    """What the registry keeps of one ledger.

    Attributes:
        entries: SHA-256 of each entry that counts, by its number.
        begun: whether that is all of them; False of a ledger that earlier releases wrote, until
            its next transition.
        movers: numbers of the entries that some process began to carry out, and did not end.

    """

    entries: Mapping[int, str]
    begun: bool
    movers: frozenset[int]

    @property
    def newest(self) -> int:
        """Number of the newest entry; 0 where there is none."""
        return max(self.entries, default=0)


def read_index(line: str, tracking: Tracking) -> LedgerIndex:
    """What the registry keeps of a line's ledger.

    Raises:
        TrackingError: the server is unreachable, or somebody deleted the record.

    """
    record = tracking.read_record(record_name(line))
    begun = _BEGUN in record.values
    entries = {int(key): sha for key, sha in record.values.items() if _NUMBER.fullmatch(key)}
    movers = (_MOVER.fullmatch(key) for key in record.marks)
    return LedgerIndex(
        entries if begun else {}, begun, frozenset(int(mover[1]) for mover in movers if mover)
    )


def begin(line: str, entries: Mapping[int, str], tracking: Tracking) -> None:
    """Set the entries that a ledger has already; the same however often it is done.

    The index counts from the last of these requests on: a process that is cut off before it
    leaves the ledger as one that nothing was set of.
    """
    for number, sha256 in sorted(entries.items()):
        tracking.write_once(record_name(line), _key(number), sha256)
    tracking.write_once(record_name(line), _BEGUN, str(len(entries)))


def claim(line: str, number: int, sha256: str, tracking: Tracking) -> str:
    """Set an entry, unless another of its number is set.

    Returns:
        The SHA-256 that counts under this number from now on.

    """
    return tracking.write_once(record_name(line), _key(number), sha256)


def begin_moving(line: str, number: int, tracking: Tracking) -> str:
    """Mark that aliases are about to be moved as an entry says; returns the mark."""
    mark = f"assayline.moving.{_key(number)}.{secrets.token_hex(4)}"
    tracking.mark(record_name(line), mark, datetime.now(UTC).isoformat(timespec="seconds"))
    return mark


def end_moving(line: str, mark: str, tracking: Tracking) -> None:
    """Take a mark back."""
    tracking.unmark(record_name(line), mark)


def record_name(line: str) -> str:
    """Name of the record, which is one of an MLflow experiment; no line's name has a dot."""
    return f"{line}.ledger"


def _key(number: int) -> str:
    return f"{number:08d}"
