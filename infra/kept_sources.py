"""What was found in the sources of a project, kept for the next process beside the bytecode.

To read what 350 modules mean takes two seconds of processor time, in each process that makes keys.
As bytecode is, it is kept in ``__pycache__``, and what is found there counts for the same bytes and
the same rules alone: a module that changed is read anew, and so are all where the rules changed.
A folder that cannot be written, or a file that cannot be read, costs the time and nothing else.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

_FILE: Final = "sources.json"


@dataclass(frozen=True)
class Meaning:
    """What a module means and names.

    Attributes:
        digest: of its syntax tree without what means nothing.
        imports: module and name of each import.
        dotted: strings that may name a module of this project.
        catalogues: setting, entries, group and part of each catalogue.
        files: absolute paths that it names by ``Path(__file__)``.

    """

    digest: str
    imports: tuple[tuple[str, str], ...]
    dotted: tuple[str, ...]
    catalogues: tuple[tuple[str, Mapping[str, str], str | None, str | None], ...]
    files: tuple[str, ...]


class KeptSources:
    """Meanings by module, each with the digest of what it was found in.

    Args:
        root: folder of the project.
        rules: whatever the meaning of a module depends on beside its file.

    """

    def __init__(self, root: Path, rules: object) -> None:
        folder = Path(cache_from_source(str(root / "infra" / "kept_sources.py"))).parent
        self._path = folder / _FILE
        self._rules = repr((rules, sys.version, Path(__file__).read_bytes())).encode()
        self._kept = _read(self._path)
        self._is_new = False

    def find(self, module: str, path: Path, content: bytes) -> Meaning | None:
        """The meaning of a module with this content; None where it is not known."""
        entry = self._kept.get(module)
        if not isinstance(entry, dict) or entry.get("of") != self._digest(path, content):
            return None
        try:
            return _from_json(entry)
        except (KeyError, TypeError, ValueError):
            return None

    def add(self, module: str, path: Path, content: bytes, meaning: Meaning) -> None:
        """Keep a meaning, in place of that of an earlier content."""
        self._kept[module] = {"of": self._digest(path, content), **asdict(meaning)}
        self._is_new = True

    def save(self) -> None:
        """Write what is new, whole or not at all."""
        if not self._is_new:
            return
        # No process's id: two containers that share the folder may have the same.
        unfinished = self._path.with_name(f"{_FILE}.{uuid4().hex}")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                unfinished.write_text(json.dumps(self._kept), encoding="utf-8")
                unfinished.replace(self._path)
            finally:
                unfinished.unlink(missing_ok=True)
        self._is_new = False

    def _digest(self, path: Path, content: bytes) -> str:
        digest = hashlib.sha256(self._rules)
        digest.update(f"\0{path}\0".encode())
        digest.update(content)
        return digest.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _from_json(entry: Mapping[str, Any]) -> Meaning:
    return Meaning(
        str(entry["digest"]),
        tuple((str(module), str(name)) for module, name in entry["imports"]),
        tuple(map(str, entry["dotted"])),
        tuple(
            (chosen_by, dict(entries), group, part)
            for chosen_by, entries, group, part in entry["catalogues"]
        ),
        tuple(map(str, entry["files"])),
    )
