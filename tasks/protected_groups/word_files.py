"""Where the swap lists and template files lie that a line names, and what they are now."""

import hashlib
from pathlib import Path

from tasks.protected_groups.swapping import SWAPS_FOLDER
from tasks.protected_groups.templates import TEMPLATES_FOLDER
from tasks.records.data import SourceFile


def swap_file(name: str) -> Path:
    """The list of that name that is shipped, or else the file."""
    return _shipped_or_own(SWAPS_FOLDER / f"{name}.csv", name)


def template_file(name: str) -> Path:
    """The file of that name that is shipped, or else the file."""
    return _shipped_or_own(TEMPLATES_FOLDER / f"{name}.yaml", name)


def pin_word_file(path: Path) -> SourceFile:
    """Fingerprint a list: the same one at another place is the same list.

    Raises:
        OSError: it cannot be read.

    """
    content = path.read_bytes()
    return SourceFile(path.name, hashlib.sha256(content).hexdigest(), len(content))


def _shipped_or_own(shipped: Path, name: str) -> Path:
    return shipped if shipped.is_file() else Path(name)
