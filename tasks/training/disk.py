"""A full disk, said in one message whichever library meets it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from infra.errors import TrainingError
from infra.full_disk import NO_ROOM, lacks_room

# safetensors and torch.save lose the error number; these are their words.
NO_ROOM_WORDS = (
    *(f"os error {number}" for number in sorted(NO_ROOM)),
    "PytorchStreamWriter failed",
    "inline_container.cc",
)


@contextmanager
def explain_full_disk(folder: Path) -> Iterator[None]:
    """Turn a write into `folder` that finds no room into one message.

    Raises:
        TrainingError: there was no room.

    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if not _lacks_room(error):
            raise
        free_mb = shutil.disk_usage(folder).free / 1e6
        raise TrainingError(
            f"no room to write in {folder} ({free_mb:,.0f} MB free: {error}); make room there, or "
            "set TMPDIR to a folder on a larger disk, and run again: training goes on from its "
            "last checkpoint"
        ) from error


def _lacks_room(error: Exception) -> bool:
    if isinstance(error, OSError) and lacks_room(error):
        return True
    return any(words in str(error) for words in NO_ROOM_WORDS)
