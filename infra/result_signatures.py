"""Signatures of the results that Prefect keeps: who wrote one, under which name, and unchanged.

A kept result is one line of ours and, behind it, the bytes that Prefect wrote::

    assayline-result 1 KEY-ID SIGNATURE

The signature is an HMAC-SHA256 (RFC 2104) over the name under which the result is kept and its
bytes, by a secret of the stack. So neither a changed result, nor one of another name, nor one that
somebody wrote who lacks the secret is taken for a result.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.errors import IntegrityError, SettingsError
from infra.settings import Settings

KEY_FILE: Final = "results.key"
_FORM: Final = b"assayline-result 1"
_KEY_BYTES: Final = 32
_FILE_MODE: Final = 0o600
_ID_CHARACTERS: Final = 8


class UnsignedResultError(IntegrityError):
    """A kept result has no signature: an earlier release wrote it, or somebody else."""


@dataclass(frozen=True)
class ResultKey:
    """The secret that results are signed with."""

    secret: bytes

    @property
    def id(self) -> str:
        """Tells two keys apart, and says nothing of the key."""
        digest = hmac.new(self.secret, b"id of this key", hashlib.sha256).hexdigest()
        return digest[:_ID_CHARACTERS]

    def signature(self, name: str, content: bytes) -> str:
        """Of a result that is kept under a name."""
        signed = b"\0".join([_FORM, name.encode(), content])
        return hmac.new(self.secret, signed, hashlib.sha256).hexdigest()


def result_key(settings: Settings) -> ResultKey:
    """The secret of these settings (ASSAYLINE_RESULTS_KEY), else the home's own.

    The home's own is a file of mode 600, made at first use.

    Raises:
        SettingsError: the file cannot be read or written.

    """
    if settings.results_key:
        return ResultKey(settings.results_key.get_secret_value().encode())
    path = settings.home.absolute() / KEY_FILE
    try:
        if not path.exists():
            _make(path)
        path.chmod(_FILE_MODE)
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path}, which the results of stages are signed with, cannot be used ({error}); "
            "correct its owner, or set ASSAYLINE_RESULTS_KEY"
        ) from error
    if not secret:
        raise SettingsError(
            f"{path} is empty; remove it, and a new key is made: what was kept with the old one "
            "must then be deleted, and runs again"
        )
    return ResultKey(secret.encode())


def sign(name: str, content: bytes, key: ResultKey) -> bytes:
    """A result as it is kept under a name."""
    head = b" ".join([_FORM, key.id.encode(), key.signature(name, content).encode()])
    return head + b"\n" + content


def opened(name: str, kept: bytes, key: ResultKey, where: str) -> bytes:
    """The result that is kept under a name.

    Args:
        name: as it was given to `sign`.
        kept: what `sign` gave.
        key: that it must be signed with.
        where: its address, for the message.

    Raises:
        UnsignedResultError: it has no signature.
        IntegrityError: it was changed, belongs to another name, or is signed with another key.

    """
    head, found, content = kept.partition(b"\n")
    words = head.split(b" ")
    form, key_id = b" ".join(words[:-2]), b"".join(words[-2:-1])
    if not found or form != _FORM:
        raise UnsignedResultError(
            f"{where} has no signature: an earlier release kept it, or somebody else did"
        )
    if hmac.compare_digest(kept, sign(name, content, key)):
        return content
    if key_id != key.id.encode():
        raise IntegrityError(
            f"{where} is signed with the key {key_id.decode(errors='replace')[:_ID_CHARACTERS]}, "
            f"and the key here is {key.id}; give this process the ASSAYLINE_RESULTS_KEY (or the "
            f"file {KEY_FILE} in ASSAYLINE_HOME) that the others have, or delete the object, and "
            "its stage runs again"
        )
    raise IntegrityError(
        f"{where} was changed after it was kept, or belongs to another stage: its signature is "
        "wrong. Nothing was taken from it; find out who writes to the results, restore the object "
        "from a backup or delete it, and its stage runs again"
    )


def _make(path: Path) -> None:
    """Write a new key; of two processes at the same moment one's stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_KEY_BYTES))
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
