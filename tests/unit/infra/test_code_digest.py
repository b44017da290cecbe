"""What a function reaches: found without running it, and told apart by meaning."""

import textwrap
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

from infra import code_digest, module_source
from infra.code_digest import CANNOT_SHAPE, Code, code_of
from infra.module_source import PROJECT_PACKAGES


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project in place of this one; each file is read anew."""
    monkeypatch.setattr(module_source, "ROOT", tmp_path)
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "__init__.py").touch()
    forget()
    yield tmp_path
    monkeypatch.undo()
    forget()


def forget() -> None:
    """Forget the sources that were read."""
    module_source.read_source.cache_clear()
    module_source.file_of.cache_clear()


def write(project: Path, **sources: str) -> None:
    """Write modules of the package ``tasks``, by name."""
    (project / "tasks").mkdir(exist_ok=True)
    (project / "tasks" / "__init__.py").touch()
    for name, source in sources.items():
        path = project / "tasks" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(textwrap.dedent(source))
    forget()


def reached(arguments: object = None, *, function: str = "stage") -> Code:
    """What a function of tasks.doors reaches."""
    return code_of("tasks.doors", function, arguments)


DOOR = """
from tasks import settings

def stage():
    from tasks.room import work
    return work(settings.WIDTH)

def other():
    from tasks.elsewhere import work
    return work()
"""
ROOM = """
import json
import logging
from typing import TYPE_CHECKING

from infra.errors import DataError
from pydantic import Field

if TYPE_CHECKING:
    from tasks.elsewhere import Other

logger = logging.getLogger(__name__)

def work(width: int = 3) -> int:
    '''Work.'''
    # as well as it can
    logger.info("working on %s rows", width)
    if width > 9:
        raise DataError(f"width is {width}, and must be at most 9")
    return width + 1

class Settings:
    wide: bool = Field(default=True, description="Whether it is wide.")
"""


@pytest.fixture
def small(project: Path) -> Path:
    """A door to a room, another door, and what nobody asks for."""
    write(project, doors=DOOR, room=ROOM, settings="WIDTH = 4", elsewhere="def work(): return 1")
    return project


def test_reached_are_the_modules_that_a_function_imports_lazily_or_not(small: Path) -> None:
    assert set(reached().modules) == {
        "tasks", "tasks.doors", "tasks.room", "tasks.settings", "infra",
    }  # fmt: skip
    assert set(reached(function="other").modules) == {"tasks", "tasks.doors", "tasks.elsewhere"}
    assert set(reached().libraries) == {"python", "pydantic"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("'''Work.'''", "'''Work well.'''"),
        ("    # as well as it can\n", ""),
        ("\nclass Settings", "\n\n\n# settings\nclass Settings"),
        ("working on %s rows", "at work on %s rows"),
        ("and must be at most 9", "which is more than 9"),
        ("Whether it is wide.", "Whether it is broad."),
        ("from tasks.elsewhere import Other", "from tasks.elsewhere import Another"),
    ],
)
def test_what_means_nothing_changes_nothing(small: Path, before: str, after: str) -> None:
    first = reached().digest
    assert before in ROOM
    write(small, room=ROOM.replace(before, after))
    assert reached().digest == first


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("width: int = 3", "width: int = 4"),
        ("width > 9", "width >= 9"),
        ("return width + 1", "return 1 + width"),
        ('raise DataError(f"width', 'raise ValueError(f"width'),
        ("default=True", "default=False"),
        ('"working on %s rows", width', '"working on %s rows", width + 1'),
        ("import json", "import pathlib"),
    ],
)
def test_what_means_something_changes_the_digest(small: Path, before: str, after: str) -> None:
    first = reached().digest
    assert before in ROOM
    write(small, room=ROOM.replace(before, after))
    assert reached().digest != first


def test_of_the_functions_own_module_only_what_it_names_counts(small: Path) -> None:
    first = reached().digest
    write(small, doors=DOOR.replace("return work()", "return 2 * work()"))
    assert reached().digest == first
    write(small, doors=DOOR.replace("settings.WIDTH", "settings.WIDTH + 1"))
    assert reached().digest != first


def test_a_decorator_does_not_count_and_a_helper_does(project: Path) -> None:
    write(project, doors="def _helped(): return 1\n@first\ndef stage(): return _helped()")
    first = reached().digest
    write(project, doors="def _helped(): return 1\n@second\ndef stage(): return _helped()")
    assert reached().digest == first
    write(project, doors="def _helped(): return 2\n@second\ndef stage(): return _helped()")
    assert reached().digest != first


def test_a_module_named_in_a_string_is_reached(project: Path) -> None:
    write(project, doors="def stage(): run(['-m', 'tasks.worker'])", worker="import tasks.deeper",
          deeper="")  # fmt: skip
    assert {"tasks.worker", "tasks.deeper"} <= set(reached().modules)


def test_imports_in_a_circle_come_to_an_end(project: Path) -> None:
    write(project, doors="def stage():\n  import tasks.one", one="import tasks.two",
          two="import tasks.one")  # fmt: skip
    assert {"tasks.one", "tasks.two"} <= set(reached().modules)


CATALOGUE = """
from infra.catalogue import Catalogue

KINDS = Catalogue(
    chosen_by="kind",
    entries={"first": "tasks.first:ONE", "second": "tasks.second:ONE"},
)

def stage(): return KINDS
"""


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        ({"settings": {"kind": "first"}}, {"first"}),
        ({"kind": "second", "other": [{"kind": "first"}]}, {"first", "second"}),
        ({"kind": "of another catalogue"}, set()),
        ({"settings": {}}, {"first", "second"}),
        (None, {"first", "second"}),
    ],
)
def test_of_a_catalogue_the_chosen_entries_count(
    project: Path, arguments: object, chosen: set[str]
) -> None:
    write(project, doors="def stage():\n  import tasks.kinds", kinds=CATALOGUE, first="", second="")
    found = set(reached(arguments).modules)
    assert {f"tasks.{name}" for name in chosen} == found & {"tasks.first", "tasks.second"}


def test_a_new_entry_of_a_catalogue_changes_nothing_for_who_chose_another(project: Path) -> None:
    write(project, doors="def stage():\n  import tasks.kinds", kinds=CATALOGUE, first="", second="")
    first, whole = reached({"kind": "first"}).digest, reached().digest
    added = CATALOGUE.replace("entries={", 'entries={"third": "tasks.third:ONE", ')
    write(project, kinds=added, third="")
    assert reached({"kind": "first"}).digest == first
    assert reached().digest != whole


def test_files_beside_a_module_count_by_their_bytes(project: Path) -> None:
    write(project, doors="def stage():\n  import tasks.room.words", room__words="""
        from pathlib import Path
        LISTS = Path(__file__).parent / "lists"
        PAGE = Path(__file__).with_name("page.html")
    """)  # fmt: skip
    lists = project / "tasks" / "room" / "lists"
    lists.mkdir()
    (lists / "names.csv").write_text("Ada")
    (lists / "README.md").write_text("Where the names are from.")
    (project / "tasks" / "room" / "page.html").write_text("<p>")
    (project / "tasks" / "room" / "other.html").write_text("<p>")
    first = reached()
    assert list(first.files) == ["tasks/room/lists/names.csv", "tasks/room/page.html"]
    (lists / "names.csv").write_text("Eve")
    assert reached().digest != first.digest


@pytest.mark.parametrize(
    ("statement", "module"),
    [
        ("from .shapes import SHAPE", "tasks.room.shapes"),
        ("from . import shapes", "tasks.room.shapes"),
        ("from .inner.deep import DEEP", "tasks.room.inner.deep"),
        ("from ..elsewhere import work", "tasks.elsewhere"),
        ("from .. import elsewhere", "tasks.elsewhere"),
    ],
)
def test_relative_imports_are_followed(project: Path, statement: str, module: str) -> None:
    write(project, doors="def stage():\n  import tasks.room.words", room__words=statement,
          room__shapes="SHAPE = 1", elsewhere="def work(): return 1")  # fmt: skip
    inner = project / "tasks" / "room" / "inner"
    inner.mkdir()
    (inner / "__init__.py").touch()
    (inner / "deep.py").write_text("DEEP = 1")
    assert module in reached().modules


def test_relative_imports_of_a_package_start_at_it(project: Path) -> None:
    write(project, doors="def stage():\n  import tasks.room", room__shapes="SHAPE = 1")
    (project / "tasks" / "room" / "__init__.py").write_text("from .shapes import SHAPE")
    forget()
    assert "tasks.room.shapes" in reached().modules


def test_what_runs_where_types_are_not_checked_counts(project: Path) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  pass\nelse:\n  WIDTH = {}"
    write(project, doors="def stage():\n  import tasks.room", room=source.format(1))
    first = reached().digest
    write(project, room=source.format(2))
    assert reached().digest != first


@pytest.mark.parametrize(
    "expression",
    [
        'Path(__file__).parent / "words.txt"',
        'Path(__file__).resolve().parent / "words.txt"',
        'Path(__file__).absolute().parent / "words.txt"',
        'Path(__file__).parent.joinpath("words.txt")',
        'Path(__file__).parents[0] / "words.txt"',
        'Path(__file__).parents[1] / "room" / "words.txt"',
        'Path(__file__).with_name("words.txt")',
        'Path(__file__).with_suffix(".txt")',
        "Path(__file__).parent",
        "Path(__file__).parent / name",
    ],
)
def test_a_file_is_found_however_its_path_is_written(project: Path, expression: str) -> None:
    source = f"from pathlib import Path\nname = 'words.txt'\nFILE = {expression}"
    write(project, doors="def stage():\n  import tasks.room.words", room__words=source)
    (project / "tasks" / "room" / "words.txt").write_text("Ada")
    assert list(reached().files) == ["tasks/room/words.txt"]


def test_a_class_of_another_package_may_be_called_catalogue(project: Path) -> None:
    write(project, doors="def stage():\n  import tasks.room", room="BOOKS = Catalogue('books', 3)")
    assert "tasks.room" in reached().modules


def test_a_script_beside_a_module_counts_by_its_meaning(project: Path) -> None:
    write(project, doors="def stage():\n  import tasks.room.start", room__start="""
        from pathlib import Path
        SCRIPT = Path(__file__).with_name("script.py")
    """, room__script="import numpy  # for speed")  # fmt: skip
    first = reached()
    assert "tasks.room.script" in first.modules
    assert "numpy" in first.libraries
    write(project, room__script="import numpy")
    assert reached().digest == first.digest


def test_a_library_counts_by_its_version(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = reached().digest
    monkeypatch.setattr(code_digest, "_version_of", lambda _: "0.0.1")
    assert reached().digest != first


def test_a_setting_that_names_a_package_brings_its_version(small: Path) -> None:
    assert "pyarrow" in reached({"privacy": {"name_model": "pyarrow"}}).libraries


def test_a_function_that_is_not_there_is_an_error(small: Path) -> None:
    with pytest.raises(ValueError, match=r"tasks\.doors has no function 'nothing'"):
        reached(function="nothing")


# The real project


def test_imports_are_those_that_grimp_finds() -> None:
    graph = grimp.build_graph(*sorted(PROJECT_PACKAGES), exclude_type_checking_imports=True,
                              cache_dir=None)  # fmt: skip
    for module in sorted(graph.modules - set(CANNOT_SHAPE)):
        source = module_source.read_source(module)
        ours = {
            inner
            if one.name and module_source.file_of(inner := f"{one.module}.{one.name}")
            else one.module
            for one in source.imports
            if one.module.split(".")[0] in PROJECT_PACKAGES
        }
        theirs = graph.find_modules_directly_imported_by(module)
        # Beside them we count modules whose name stands as a string.
        strings = {one.module for one in source.imports if not one.name}
        assert theirs <= ours, module
        assert ours - theirs <= strings, module


def test_packages_come_with_the_distributions_that_the_standard_library_finds() -> None:
    def sets(found: Mapping[str, list[str]]) -> dict[str, set[str]]:
        return {package: set(names) for package, names in found.items()}

    assert sets(code_digest._distributions()) == sets(packages_distributions())


def test_what_cannot_shape_a_result_is_there_and_has_a_reason() -> None:
    for module, reason in CANNOT_SHAPE.items():
        assert module_source.file_of(module), module
        assert len(reason.split()) > 2
