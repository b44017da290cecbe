"""What a version was judged by, kept in the store; the ledger names it by its digest."""

from collections.abc import Sequence
from typing import Final

from infra.errors import IntegrityError
from infra.store import ObjectStore, keep_by_digest, read_by_digest
from tasks.records.judged_version import JudgedVersion, from_bytes, to_bytes
from tasks.records.registry import LedgerEntry

FOLDER: Final = "judged"
JUDGED: Final = "judged"  # its name among the evidence of a ledger entry


def keep_judged(judged: JudgedVersion, store: ObjectStore) -> str:
    """Keep what a version was judged by, and return the SHA-256 that it is kept under.

    It is kept as it is read back, so that who decides on it later keeps it under the same digest: a
    number that was counted is written as one that was measured where the record has it so.

    Raises:
        StoreError: the store is unreachable.

    """
    return keep_by_digest(store, FOLDER, to_bytes(from_bytes(to_bytes(judged)))).sha256


def read_judged(sha256: str, store: ObjectStore) -> JudgedVersion:
    """What a version was judged by.

    Raises:
        IntegrityError: it was changed since, or another release wrote it in another form.
        StoreError: the store lacks it, or is unreachable.

    """
    content = read_by_digest(store, FOLDER, sha256)
    try:
        return from_bytes(content)
    except ValueError as error:
        first = str(error).splitlines()[0]
        raise IntegrityError(
            f"{store.uri(FOLDER, f'{sha256}.json')} cannot be read by this release ({first}); a "
            "run of the line judges its version anew"
        ) from error


def judged_last(version: int, history: Sequence[LedgerEntry]) -> str | None:
    """The digest of what a version was judged by last; None where no entry names it.

    Args:
        version: its number.
        history: the ledger of its line, oldest first.

    """
    named = [
        entry.evidence[JUDGED]
        for entry in history
        if entry.candidate_version == version and JUDGED in entry.evidence
    ]
    return named[-1] if named else None
