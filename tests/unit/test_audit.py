"""The audit: OSV's ranges, what counts as checked, and that no weights come from elsewhere."""

import ast
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.audit.__main__ import Audit, read_pins
from tests.audit.advisories import read_advisories, vulnerabilities

ROOT = Path(__file__).parents[2]


def advisory(identifier: str, name: str = "Some_Package", **affected: Any) -> dict[str, Any]:
    package = {"name": name, "ecosystem": affected.pop("ecosystem", "PyPI")}
    return {"id": identifier, "affected": [{"package": package, **affected}]}


def events(*pairs: tuple[str, str], kind: str = "ECOSYSTEM") -> dict[str, Any]:
    return {"ranges": [{"type": kind, "events": [{name: at} for name, at in pairs]}]}


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list as OSV exports it."""
    archive = tmp_path / "all.zip"
    made = [
        advisory("A-1", **events(("introduced", "0"), ("fixed", "1.5"))),
        advisory("A-2", **events(("introduced", "1.2"), ("last_affected", "1.4"))),
        advisory("A-3", versions=["2.0", "2.0.post1", "no version"]),
        advisory("A-4", **events(("introduced", "3.0"), ("fixed", "3.1"), ("introduced", "3.2"))),
        advisory("A-5", **events(("introduced", "0"), kind="GIT")),
        advisory("A-6", ecosystem="npm", **events(("introduced", "0"))),
        advisory("A-7", **events(("introduced", "0"))) | {"withdrawn": "2026-01-01T00:00:00Z"},
    ]
    with zipfile.ZipFile(archive, "w") as file:
        for one in made:
            file.writestr(f"{one['id']}.json", json.dumps(one))
    return archive


@pytest.mark.parametrize(
    ("version", "ids"),
    [
        ("1.0", ["A-1"]), ("1.2", ["A-1", "A-2"]), ("1.4", ["A-1", "A-2"]), ("1.4.1", ["A-1"]),
        ("1.5", []), ("1.5rc1", ["A-1"]), ("2.0", ["A-3"]), ("2.0.0", ["A-3"]), ("2.1", []),
        ("3.0.5", ["A-4"]), ("3.1", []), ("3.2", ["A-4"]), ("4", ["A-4"]),
    ],
)  # fmt: skip
def test_a_version_is_held_against_each_range(listed: Path, version: str, ids: list[str]) -> None:
    known = read_advisories(listed)
    assert vulnerabilities("some-package", version, known) == ids
    assert vulnerabilities("another", version, known) == []


def test_a_list_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(advisory("A-6", ecosystem="npm")))
    with pytest.raises(ValueError, match=r"PyPI/all\.zip"):
        read_advisories(tmp_path)


def test_what_no_service_knows_is_not_taken_for_checked() -> None:
    audit = Audit({"a": "1", "b-b": "1", "c": "1"})
    skipped = {"name": "b_b", "skip_reason": "Dependency not found on PyPI"}
    vulnerable = {"name": "a", "version": "1", "vulns": [{"id": "A-1"}]}
    audit.add(json.dumps({"dependencies": [vulnerable, skipped], "fixes": []}))
    assert audit.found == {"a": {"A-1"}}
    assert audit.missing == {
        "b-b": "Dependency not found on PyPI",
        "c": "no service answered",
    }
    clean = {"name": "b-b", "version": "1", "vulns": []}
    audit.add(json.dumps({"dependencies": [clean]}))
    assert set(audit.missing) == {"c"}


def test_every_pin_is_read() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = read_pins(ROOT / "constraints.txt")
    assert len(pins) == sum(bool(line) and not line.startswith("#") for line in lines)
    assert pins["torch"] == "2.13.0"


def test_models_are_read_from_this_machine_alone() -> None:
    calls = [
        (path, node)
        for room in ("flows", "tasks", "infra")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "from_pretrained"
    ]
    assert len(calls) > 20
    for path, call in calls:
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert given.get("local_files_only") == "True", f"{path}, line {call.lineno}"
        assert given.get("trust_remote_code", "False") == "False", f"{path}, line {call.lineno}"
