"""What is kept of sources saves time, and never changes what is found."""

import json
import sys
from pathlib import Path

import pytest

from infra import module_source
from infra.kept_sources import KeptSources
from tests.faults.little_room import without_room
from tests.unit.infra.test_code_digest import DOOR, ROOM, forget, project, reached, write

__all__ = ["project"]
KEPT = "sources.json"


@pytest.fixture
def small(project: Path) -> Path:
    write(project, doors=DOOR, room=ROOM, settings="WIDTH = 4", elsewhere="def work(): return 1")
    return project


def anew() -> None:
    """As another process, which has read nothing yet."""
    forget()
    module_source.kept_sources.cache_clear()


def kept_in(project: Path) -> Path:
    (path,) = project.rglob(KEPT)
    return path


def test_another_process_finds_the_same_without_parsing(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew()
    first = reached()
    read: list[Path] = []
    parse = module_source._parse

    def watched(content: bytes, path: Path, package: str) -> object:
        read.append(path)
        return parse(content, path, package)

    monkeypatch.setattr(module_source, "_parse", watched)
    anew()
    assert reached() == first
    assert [path.name for path in read] == ["doors.py"]  # of which one function is told apart


def test_what_changed_is_read_anew(small: Path) -> None:
    anew()
    first = reached()
    write(small, room=ROOM.replace("width + 1", "width + 2"))
    anew()
    second = reached()
    assert second.modules["tasks.room"] != first.modules["tasks.room"]
    module_source.kept_sources.cache_clear()
    kept_in(small).unlink()
    anew()
    assert reached() == second


def test_a_module_named_in_a_string_counts_once_it_is_there(small: Path) -> None:
    write(small, doors="def stage():\n    return run()\ndef run():\n    from tasks import late\n")
    write(small, late="NAME = 'tasks.later'")
    anew()
    assert "tasks.later" not in reached().modules
    write(small, later="VALUE = 1")
    anew()
    assert "tasks.later" in reached().modules


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tasks.room": 3}', '{"tasks.room": {}}'])
def test_what_cannot_be_read_is_found_anew(small: Path, content: str) -> None:
    anew()
    first = reached()
    kept_in(small).write_text(content)
    anew()
    assert reached() == first


def test_an_entry_that_lacks_a_part_is_found_anew(small: Path) -> None:
    anew()
    first = reached()
    path = kept_in(small)
    entries = json.loads(path.read_text())
    for entry in entries.values():
        del entry["imports"]
    path.write_text(json.dumps(entries))
    anew()
    assert reached() == first


def test_other_rules_find_anew(small: Path) -> None:
    anew()
    reached()
    path = small / "tasks" / "room.py"
    same = module_source.kept_sources(small)
    other = KeptSources(small, rules="of a later release")
    assert same.find("tasks.room", path, path.read_bytes()) is not None
    assert other.find("tasks.room", path, path.read_bytes()) is None


def test_where_nothing_can_be_kept_it_costs_time_alone(small: Path) -> None:
    (small / "infra" / "__pycache__").write_text("no folder")
    anew()
    assert set(reached().modules) == {
        "tasks", "tasks.doors", "tasks.room", "tasks.settings", "infra",
    }  # fmt: skip


def test_where_there_is_no_room_nothing_is_left_half_written(small: Path) -> None:
    anew()
    assert without_room(reached, most_bytes=64) == ""
    assert not list(small.rglob(f"{KEPT}*"))


def test_it_is_kept_where_python_keeps_bytecode(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "not" / "there" / "yet"
    monkeypatch.setattr(sys, "pycache_prefix", str(elsewhere))
    anew()
    reached()
    assert len(list(elsewhere.rglob(KEPT))) == 1
    assert not [path for path in small.rglob(KEPT) if elsewhere not in path.parents]
