"""What each version of a line is: the aliases that name it, and what was decided on it last."""

from typing import Final

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry, VersionState
from tasks.registry.ledger import read_ledger

# Of a line with more versions the newest are told, and those that an alias names.
MOST: Final = 20


def version_states(
    line: str, *, store: ObjectStore, tracking: Tracking
) -> tuple[VersionState, ...]:
    """The versions of a line, the newest first.

    Args:
        line: the model line.
        store: holds the ledger.
        tracking: holds the versions and their aliases.

    Raises:
        PromotionError: the ledger is not what was written.
        StoreError, TrackingError: a server is unreachable.

    """
    decided: dict[int, LedgerEntry] = {}
    for entry in read_ledger(store, line, tracking):
        decided[entry.candidate_version] = entry
    named: dict[int, list[str]] = {}
    for alias, version in sorted(tracking.aliases(line).items()):
        named.setdefault(version, []).append(alias)
    newest = sorted({*decided, *named}, reverse=True)
    shown = [one for place, one in enumerate(newest) if place < MOST or one in named]
    return tuple(_state(one, tuple(named.get(one, ())), decided.get(one)) for one in shown)


def _state(version: int, aliases: tuple[str, ...], entry: LedgerEntry | None) -> VersionState:
    if entry is None:  # registered, and nothing was decided on it yet
        return VersionState(version, aliases, "", None, "", "", "")
    return VersionState(
        version, aliases, entry.action, entry.verdict, entry.at, entry.who, entry.reason
    )
