"""What a base model's own files say of its licence; nothing is guessed where they say nothing."""

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

from infra import gguf_models
from infra.base_models import CONFIG_FILE, folder_with
from infra.yaml_files import parse_yaml

CARD_FILE: Final = "README.md"
# A model card's metadata stands at its head; nothing beyond this many bytes is read.
_READ_BYTES: Final = 200_000
_FRONT: Final = re.compile(r"\A\ufeff?---\r?\n(.*?)\r?\n---(?:\r?\n|\Z)", re.DOTALL)
# What model cards say where the licence has no name on the hub.
_OTHER: Final = frozenset({"other", "unknown"})
_LONGEST: Final = 60  # characters


def licence_of(reference: str, revision: str | None) -> str:
    """The licence that a base model's card, configuration or GGUF file names; empty if none does.

    Args:
        reference: as `infra.base_models.locate` takes it; of a hub the card is fetched.
        revision: likewise.

    Raises:
        NotAtHandError: the model is not here, and its card cannot be fetched.

    """
    folder = folder_with(reference, revision, CARD_FILE)
    if folder is None:
        return ""
    found = _of_card(folder / CARD_FILE) or _name(_entries(folder / CONFIG_FILE))
    if not found and reference.endswith(gguf_models.SUFFIX):
        found = gguf_models.licence_of(folder / reference.rpartition("/")[2])
    return found


def _of_card(path: Path) -> str:
    front = _FRONT.match(_start_of(path))
    try:
        return _name(parse_yaml(front.group(1), keep_misread=True)) if front else ""
    except yaml.YAMLError:
        return ""


def _entries(path: Path) -> Any:
    try:
        return json.loads(_start_of(path) or "{}")
    except ValueError:
        return {}


def _name(entries: Any) -> str:
    """The licence of some metadata, by its own name where the hub has none for it."""
    if not isinstance(entries, dict):
        return ""
    stated = entries.get("license")
    names = stated if isinstance(stated, list) else [stated]
    own = entries.get("license_name")
    if isinstance(own, str) and set(names) <= _OTHER | {None}:
        names = [own]
    text = ", ".join(name.strip() for name in names if isinstance(name, str) and name.strip())
    return " ".join(text.split())[:_LONGEST]


def _start_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_READ_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""
