"""What a function's result can depend on: the code, the data files and the libraries it reaches.

They are worked out from the imports in the sources, lazily imported ones too, and nothing is run.
Counted are, from the function on:

- its own definition and what it names in its module;
- every module that these import, and that those import, up to the modules in `CANNOT_SHAPE`;
- a module whose dotted name stands as a string, since a process can be started from it;
- files beside a module that it names by ``Path(__file__)``;
- of a `Catalogue`, the entries that this run chooses;
- the installed version of every distribution that these modules import.

A module counts by its meaning: its syntax tree without comments, docstrings, type-checking
imports, the words of log lines and of errors that a user reads, and descriptions of settings.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from infra import errors
from infra.catalogue import entries_of
from infra.digests import digest_of

ROOT: Final = Path(__file__).parents[1]
PROJECT_PACKAGES: Final = frozenset({"flows", "tasks", "infra"})
# What no result can depend on, and why. Their imports are not followed.
CANNOT_SHAPE: Final[Mapping[str, str]] = {
    "infra.catalogue": "looks up a name; the entry that it finds is counted itself",
    "infra.code_digest": "makes the keys",
    "infra.digests": "makes the keys",
    "infra.errors": "names of errors; an error leaves no result",
    "infra.model_registry": "speaks with MLflow; what it sends and finds are arguments and results",
    "infra.settings": "says where the servers are",
    "infra.store": "moves bytes, which are checked by their digest",
    "infra.tracking": "sends curves and metrics to MLflow, and reads none back",
    "tasks.stages.caching": "makes the keys",
    "tasks.stages.reasons": "keeps what the keys were made of",
    "tasks.stages.progress": "shows how far a stage is",
    "tasks.stages.run_page": "shows results on the page of the Prefect run",
}
# Settings whose value is an importable package, such as a model of spaCy.
PACKAGE_SETTINGS: Final = ("name_model",)
# A patch release of Python changes no result, and nobody retrains for it.
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_LOG_METHODS: Final = frozenset({"debug", "info", "warning", "error", "exception", "log"})
_USER_ERRORS: Final = frozenset(name for name in vars(errors) if name.endswith("Error"))


@dataclass(frozen=True)
class Code:
    """What a function's result can depend on, beside its arguments.

    Attributes:
        modules: digest of the meaning of each module, by dotted name; of the function's own module
            that of the definitions that it reaches.
        files: SHA-256 of each data file, by its path from the project's folder.
        libraries: version of each distribution, and of Python.

    """

    modules: Mapping[str, str]
    files: Mapping[str, str]
    libraries: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 over all of it."""
        return digest_of(self)


def code_of(module: str, function: str, arguments: object = None) -> Code:
    """What a function of this project reaches.

    Args:
        module: dotted name of the module that it stands in.
        function: its name there.
        arguments: of the call, as `infra.digests.as_json` gives them, in which the choices from
            catalogues are looked for. A catalogue whose choice is not among them counts whole.

    """
    reach = _Reach(arguments)
    reach.follow_function(module, function)
    for setting in PACKAGE_SETTINGS:
        reach.packages |= set(_values_of(arguments, setting))
    distributions = {name for package in reach.packages for name in _distributions_of(package)}
    files = sorted(
        (file.relative_to(root).as_posix(), file)
        for path, root in reach.files.items()
        for file in _files_at(path)
    )
    return Code(
        dict(sorted(reach.modules.items())),
        {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files},
        {"python": PYTHON, **{name: _version_of(name) for name in sorted(distributions)}},
    )


class Import(NamedTuple):
    """One imported name: of a module, or of the module that it is itself."""

    module: str
    name: str = ""


@dataclass(frozen=True)
class _CatalogueCall:
    """A `Catalogue` as it stands in the source."""

    chosen_by: str
    entries: Mapping[str, str]
    group: str | None
    part: str | None


@dataclass(frozen=True)
class _Source:
    """A module, read and not run.

    Attributes:
        tree: without what means nothing (see `_Meaning`).
        imports: names that it imports, anywhere in it.
        catalogues: of which some entries are chosen.
        files: files and folders beside it that it names.
        root: the folder that its package stands in.

    """

    tree: ast.Module
    digest: str
    imports: tuple[Import, ...]
    catalogues: tuple[_CatalogueCall, ...]
    files: tuple[Path, ...]
    root: Path


@dataclass
class _Reach:
    """Modules, files and packages that are found, as one follows imports."""

    arguments: object
    modules: dict[str, str] = field(default_factory=dict)
    files: dict[Path, Path] = field(default_factory=dict)  # each with the folder of its package
    packages: set[str] = field(default_factory=set)
    _own: set[str] = field(default_factory=lambda: set(PROJECT_PACKAGES))

    def follow_function(self, module: str, function: str) -> None:
        """Follow one definition of a module, and what it names in that module."""
        definitions = _definitions_reached(module, function)
        self.modules[module] = _digest_of_trees(definitions)
        self._follow(_imports_in(definitions))

    def _follow_module(self, module: str) -> None:
        if module in self.modules or module in CANNOT_SHAPE:
            return
        source = _read(module)
        chosen = [self._chosen(call) for call in source.catalogues]
        self.modules[module] = digest_of([source.digest, *chosen]) if chosen else source.digest
        for path in source.files:
            if path.suffix == ".py":  # a script that another interpreter runs
                self._follow_module(".".join(path.relative_to(source.root).with_suffix("").parts))
            else:
                self.files[path] = source.root
        self._follow(source.imports)
        for place in (place for entries in chosen for place in entries.values()):
            entry = place.split(":")[0]
            self._own.add(entry.split(".")[0])
            self._follow([Import(entry)])

    def _follow(self, imports: Iterable[Import]) -> None:
        for module, name in imports:
            top = module.split(".")[0]
            if top not in self._own:
                self.packages.add(top)
                continue
            inner = f"{module}.{name}"
            found = inner if name and _file_of(inner) else module
            parts = found.split(".")
            for end in range(1, len(parts) + 1):
                self._follow_module(".".join(parts[:end]))

    def _chosen(self, call: _CatalogueCall) -> dict[str, str]:
        """The entries that the arguments name; all of them where they name nothing to choose by."""
        added = entries_of(call.group) if call.group else {}
        entries = {**added, **call.entries}
        named = set(_values_of(self.arguments, call.chosen_by))
        return {
            name: _part_at(entries[name], call.part)
            if call.part and name not in call.entries
            else entries[name]
            for name in sorted(entries)
            if not named or name in named
        }


def _part_at(place: str, part: str) -> str:
    """Where one part is defined of an object that another distribution adds to a catalogue.

    Raises:
        SettingsError: it is no call with this part as a literal string.

    """
    module, attribute = place.split(":")
    for statement in _read(module).tree.body:
        call = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if isinstance(call, ast.Call) and attribute in _names_bound(statement):
            for keyword in call.keywords:
                if keyword.arg == part and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
    raise errors.SettingsError(
        f"{place} must be a call at the top of its module that names {part} as a literal string, "
        f"such as {part}='package.module:attribute'"
    )


def _values_of(value: object, key: str) -> Iterator[str]:
    """Every string that stands under a key, anywhere in a JSON value."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == key and isinstance(item, str):
                yield item
            yield from _values_of(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _values_of(item, key)


@cache
def _file_of(module: str) -> Path | None:
    """The source file of a module of this project, or of a distribution that adds to it."""
    top, *inner = module.split(".")
    if top in PROJECT_PACKAGES:
        folder = ROOT / top
    else:
        spec = find_spec(top)
        if spec is None or not spec.origin:
            return None
        folder = Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
    place = folder.joinpath(*inner)
    candidates = (place, place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((path for path in candidates if path.is_file()), None)


@cache
def _read(module: str) -> _Source:
    path = _file_of(module)
    if path is None:
        raise ModuleNotFoundError(f"{module} has no source file below {ROOT}")
    meaning = _Meaning()
    tree = meaning.visit(ast.parse(path.read_bytes(), str(path)))
    statements = tree.body
    return _Source(
        tree,
        _digest_of_trees(statements),
        tuple(_imports_in(statements)),
        tuple(meaning.catalogues),
        tuple(_files_in(statements, path)),
        path.parents[module.count(".") + (path.name == "__init__.py")],
    )


class _Meaning(ast.NodeTransformer):
    """Leaves out of a syntax tree what no result can depend on."""

    def __init__(self) -> None:
        self.catalogues: list[_CatalogueCall] = []

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """A string that stands alone is a docstring."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST:
        """What is imported for type checking is not there when it runs."""
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """The words of an error that ends the stage."""
        if isinstance(node.exc, ast.Call) and _name_of(node.exc.func) in _USER_ERRORS:
            _blank(node.exc.args)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Log lines, descriptions of settings, and the entries of catalogues."""
        name = _name_of(node.func)
        if isinstance(node.func, ast.Attribute) and name in _LOG_METHODS:
            if _name_of(node.func.value) == "logger":
                _blank(node.args)
        elif name == "Field":
            _blank([one.value for one in node.keywords if one.arg == "description"])
        elif name == "Catalogue":
            values = {one.arg: ast.literal_eval(one.value) for one in node.keywords}
            call = _CatalogueCall(
                values["chosen_by"], values["entries"], values.get("group"), values.get("part")
            )
            self.catalogues.append(call)
            node.keywords = [one for one in node.keywords if one.arg != "entries"]
        return self.generic_visit(node)


def _blank(nodes: Iterable[ast.AST]) -> None:
    """Make every string in these expressions empty."""
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                part.value = ""


def _name_of(node: ast.AST) -> str:
    """The last part of a dotted name."""
    return str(getattr(node, "id", getattr(node, "attr", "")))


def _digest_of_trees(statements: Iterable[ast.stmt]) -> str:
    digest = hashlib.sha256()
    for statement in statements:
        digest.update(ast.dump(statement).encode())
    return digest.hexdigest()


def _imports_in(statements: Iterable[ast.stmt]) -> Iterator[Import]:
    """What is imported, and the modules that are named in a string."""
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (Import(node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if (
                _DOTTED.fullmatch(text)
                and text.split(".")[0] in PROJECT_PACKAGES
                and _file_of(text)
            ):
                yield Import(text)


def _definitions_reached(module: str, function: str) -> list[ast.stmt]:
    """The statements at the top of a module that a function there needs."""
    by_name: dict[str, ast.stmt] = {}
    for statement in _read(module).tree.body:
        for name in _names_bound(statement):
            by_name[name] = statement
    if function not in by_name:
        raise ValueError(f"{module} has no function {function!r}")
    reached: dict[str, ast.stmt] = {}
    waiting = [function]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in by_name:
            continue
        statement = reached[name] = _needed(by_name[name], name)
        waiting += [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]
    return [reached[name] for name in sorted(reached)]


def _needed(statement: ast.stmt, name: str) -> ast.stmt:
    """A definition without its decorators, or of an import the one name."""
    if isinstance(statement, ast.FunctionDef):
        undecorated = ast.FunctionDef(**dict(ast.iter_fields(statement)))
        undecorated.decorator_list = []
        return undecorated
    if isinstance(statement, ast.Import | ast.ImportFrom):
        names = [alias for alias in statement.names if (alias.asname or alias.name) == name]
        narrowed = type(statement)(**dict(ast.iter_fields(statement)))
        narrowed.names = names
        return narrowed
    return statement


def _names_bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.split(".")[0] for alias in statement.names)
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _files_in(statements: Iterable[ast.stmt], path: Path) -> Iterator[Path]:
    """Files and folders that are named by ``Path(__file__).parent / "x"`` and the like."""
    inner: set[int] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if id(node) in inner:
            continue
        found = _path_in(node, path)
        if found is not None and found != path:
            inner |= {id(part) for part in ast.walk(node)}
            yield found


def _path_in(node: ast.AST, path: Path) -> Path | None:
    """The path that an expression over ``Path(__file__)`` comes to; None for all else."""
    if isinstance(node, ast.Call):
        arguments = node.args
        if _name_of(node.func) == "Path" and arguments and _name_of(arguments[0]) == "__file__":
            return path
        if isinstance(node.func, ast.Attribute) and node.func.attr == "with_name":
            before = _path_in(node.func.value, path)
            return before and before.with_name(ast.literal_eval(arguments[0]))
    if isinstance(node, ast.Attribute) and node.attr == "parent":
        before = _path_in(node.value, path)
        return before and before.parent
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        before = _path_in(node.left, path)
        if before and isinstance(node.right, ast.Constant):
            return before / str(node.right.value)
    return None


def _files_at(path: Path) -> Iterator[Path]:
    """A file, or the data files right in a folder."""
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (
            file
            for file in path.iterdir()
            if file.is_file() and file.suffix not in {".py", ".md", ".pyc"}
        )


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _distributions_of(package: str) -> Iterable[str]:
    """The installed distributions that a package comes with; none of the standard library's."""
    if package in sys.stdlib_module_names:
        return ()
    return _distributions().get(package, ())


@cache
def _version_of(distribution: str) -> str:
    return version(distribution)
