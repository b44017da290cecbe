"""Looks at a canary, kept in the store: those that decided, by digest, and the newest one."""

import json
from dataclasses import asdict
from typing import Final

from pydantic import TypeAdapter, ValidationError

from infra.errors import IntegrityError, MissingObjectError
from infra.store import ObjectStore, keep_by_digest, read_by_digest
from tasks.records.canary import CanaryLook

FOLDER: Final = "canary-looks"
CANARY: Final = "canary"  # its name among the evidence of a ledger entry


def keep_look(look: CanaryLook, store: ObjectStore) -> str:
    """Keep a look that something is decided by, and return the SHA-256 that it is kept under.

    Raises:
        StoreError: the store is unreachable.

    """
    return keep_by_digest(store, FOLDER, look_bytes(look)).sha256


def read_look(sha256: str, store: ObjectStore) -> CanaryLook:
    """A look that something was decided by.

    Raises:
        IntegrityError: it was changed since, or another release wrote it in another form.
        StoreError: the store lacks it, or is unreachable.

    """
    content = read_by_digest(store, FOLDER, sha256)
    try:
        return TypeAdapter(CanaryLook).validate_json(content)
    except ValidationError as error:
        uri = store.uri(FOLDER, f"{sha256}.json")
        raise IntegrityError(f"{uri} cannot be read by this release ({error.title})") from error


def keep_newest_look(look: CanaryLook, store: ObjectStore) -> None:
    """Keep a look for who asks how the canary stands, in the place of the one before."""
    store.put_bytes(_newest(look.step.line, store), look_bytes(look))


def newest_look(line: str, store: ObjectStore) -> CanaryLook | None:
    """The newest look at a canary of a line; nothing is decided by it.

    Returns:
        None where there is none, or another release wrote it in another form.

    Raises:
        StoreError: the store is unreachable.

    """
    try:
        return TypeAdapter(CanaryLook).validate_json(store.get_bytes(_newest(line, store)))
    except (MissingObjectError, ValidationError):
        return None


def look_bytes(look: CanaryLook) -> bytes:
    """A look as JSON; the same bytes for the same look."""
    return json.dumps(asdict(look), sort_keys=True, ensure_ascii=False).encode()


def _newest(line: str, store: ObjectStore) -> str:
    return store.uri(FOLDER, "newest", f"{line}.json")
