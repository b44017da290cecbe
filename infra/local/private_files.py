"""Files that only their owner may read: keys, the parts' environments and ``stack.env``."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.errors import StackError

KEYS_FILE = "keys.json"
LOCK_FILE = "stack.lock"
FILE_MODE = 0o600
FOLDER_MODE = 0o700


@dataclass(frozen=True)
class StoreKeys:
    """The keys of the embedded object store."""

    access_key_id: str
    secret_access_key: str


def make_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter.

    Raises:
        StackError: the folder cannot be made.

    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"cannot make the folder {folder}: {error.strerror}; set ASSAYLINE_HOME to a folder "
            "that can be written"
        ) from error
    return folder


def write_private(path: Path, text: str) -> None:
    """Replace a file whole, with mode 600 from its first byte.

    Raises:
        StackError: the file cannot be written.

    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        unfinished.replace(path)
    except OSError as error:
        raise StackError(f"cannot write {path}: {error.strerror}") from error


def store_keys(home: Path) -> StoreKeys:
    """The embedded store's keys, made at first use.

    Raises:
        StackError: the file of the keys is broken.

    """
    path = home / KEYS_FILE
    if not path.exists():
        keys = StoreKeys(secrets.token_hex(10), secrets.token_urlsafe(30))
        write_private(path, json.dumps(asdict(keys)))
        return keys
    try:
        path.chmod(FILE_MODE)
        return StoreKeys(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StackError(
            f"{path} cannot be read as keys ({error}); remove it, and `assayline up` makes new ones"
        ) from error


def as_env_file(variables: Mapping[str, str]) -> str:
    """The text of a dotenv file."""
    return "".join(f"{name}={value}\n" for name, value in sorted(variables.items()))


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Let one process at a time start or stop the stack of this home; others wait."""
    with (make_folder(home) / LOCK_FILE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
