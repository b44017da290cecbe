"""Known vulnerabilities of pinned packages, from a list that was exported elsewhere.

The format is OSV's (https://ossf.github.io/osv-schema/), as in the archive of all advisories on
Python packages, https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip.
"""

import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Advisories = Mapping[str, list[Any]]


def read_advisories(path: Path) -> Advisories:
    """All that are not withdrawn, by the name of the package.

    Args:
        path: a zip archive of JSON files, or a folder of them.

    Raises:
        ValueError: there are none in it.

    """
    found: dict[str, list[Any]] = defaultdict(list)
    for text in _texts(path):
        advisory = json.loads(text)
        if "withdrawn" not in advisory:
            for affected in advisory.get("affected", ()):
                package = affected.get("package", {})
                if package.get("ecosystem") == "PyPI":
                    found[canonicalize_name(package["name"])].append((advisory["id"], affected))
    if not found:
        raise ValueError(
            f"{path} holds no advisories on Python packages; right is OSV's PyPI/all.zip"
        )
    return found


def vulnerabilities(name: str, version: str, advisories: Advisories) -> list[str]:
    """Ids of the advisories that a version is affected by, sorted."""
    return sorted(
        {
            identifier
            for identifier, affected in advisories.get(canonicalize_name(name), ())
            if _is_affected(Version(version), affected)
        }
    )


def _texts(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        yield from (file.read_bytes() for file in sorted(path.rglob("*.json")))
        return
    with zipfile.ZipFile(path) as archive:
        yield from (archive.read(one) for one in archive.namelist() if one.endswith(".json"))


def _is_affected(version: Version, affected: Any) -> bool:
    return any(_version(one) == version for one in affected.get("versions", ())) or any(
        _is_within(version, one["events"])
        for one in affected.get("ranges", ())
        if one["type"] == "ECOSYSTEM"
    )


def _is_within(version: Version, events: list[dict[str, str]]) -> bool:
    """OSV's evaluation: the last event at or before the version says whether it is affected."""
    inside = False
    for kind, at in sorted(_bounds(events), key=lambda bound: bound[1]):
        if kind == "introduced" and at <= version:
            inside = True
        elif (kind == "fixed" and at <= version) or (kind == "last_affected" and at < version):
            inside = False
    return inside


def _bounds(events: list[dict[str, str]]) -> Iterator[tuple[str, Version]]:
    for event in events:
        for kind, text in event.items():
            at = _version(text)
            if at is not None:
                yield kind, at


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
