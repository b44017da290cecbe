"""The swap lists and template files that a line names: where they lie, and what they are now."""

import hashlib
from pathlib import Path

from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.protected_groups.swapping import SWAPS_FOLDER, read_swaps
from tasks.protected_groups.templates import TEMPLATES_FOLDER, read_templates
from tasks.records.data import SourceFile


def swap_file(name: str) -> Path:
    """The list of that name that is shipped, or else the file."""
    return _shipped_or_own(SWAPS_FOLDER / f"{name}.csv", name)


def template_file(name: str) -> Path:
    """The file of that name that is shipped, or else the file."""
    return _shipped_or_own(TEMPLATES_FOLDER / f"{name}.yaml", name)


def pin_word_files(settings: CounterfactualSettings) -> tuple[SourceFile, ...]:
    """Read every file once, so that a wrong one is known before training, and fingerprint it.

    Raises:
        SettingsError: a file cannot be read, or does not hold what it should.

    """
    paths = [swap_file(name) for name in settings.swaps]
    for path in paths:
        read_swaps(path)
    templates = [template_file(name) for name in settings.templates]
    for path in templates:
        read_templates(path)
    return tuple(map(_pin, [*paths, *templates]))


def _pin(path: Path) -> SourceFile:
    content = path.read_bytes()
    # By name: the same list at another place is the same list.
    return SourceFile(path.name, hashlib.sha256(content).hexdigest(), len(content))


def _shipped_or_own(shipped: Path, name: str) -> Path:
    return shipped if shipped.is_file() else Path(name)
