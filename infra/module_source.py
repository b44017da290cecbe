"""A module as it stands in its file: what it means, and what it names. Nothing is run.

A module means its syntax tree without comments, docstrings, type-checking imports, the words of log
lines and of errors that a user reads, and descriptions of settings.
"""

import ast
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib.util import find_spec
from operator import methodcaller
from pathlib import Path
from typing import Final, NamedTuple

from infra import errors
from infra.kept_sources import KeptSources, Meaning

ROOT: Final = Path(__file__).parents[1]
PROJECT_PACKAGES: Final = frozenset({"flows", "tasks", "infra"})
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_LOG_METHODS: Final = frozenset({"debug", "info", "warning", "error", "exception", "log"})
_USER_ERRORS: Final = frozenset(name for name in vars(errors) if name.endswith("Error"))
_PATH_METHODS: Final = frozenset({"joinpath", "with_name", "with_suffix"})


class Import(NamedTuple):
    """One imported name: of a module, or of the module that it is itself."""

    module: str
    name: str = ""


@dataclass(frozen=True)
class CatalogueCall:
    """A `Catalogue` as it stands in the source."""

    chosen_by: str
    entries: Mapping[str, str]
    group: str | None
    part: str | None


@dataclass(frozen=True)
class Source:
    """A module, read and not run.

    Attributes:
        path: of its file.
        content: of the file.
        package: that relative imports start at.
        imports: names that it imports, anywhere in it.
        catalogues: of which some entries are chosen.
        files: files and folders beside it that it names.
        root: the folder that its package stands in.

    """

    path: Path
    content: bytes
    package: str
    digest: str
    imports: tuple[Import, ...]
    catalogues: tuple[CatalogueCall, ...]
    files: tuple[Path, ...]
    root: Path

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree without what means nothing (see `_Meaning`)."""
        return _parse(self.content, self.path, self.package)[0]


@cache
def file_of(module: str) -> Path | None:
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
def read_source(module: str) -> Source:
    """Read a module of this project, or of a distribution that adds to it.

    What an earlier process found in the same bytes is not looked for again.

    Raises:
        ModuleNotFoundError: it has no source file.

    """
    path = file_of(module)
    if path is None:
        raise ModuleNotFoundError(f"{module} has no source file below {ROOT}")
    is_package = path.name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    content = path.read_bytes()
    kept = kept_sources(ROOT)
    found = kept.find(module, path, content)
    if found is None:
        found = _meaning_of(content, path, package)
        kept.add(module, path, content, found)
    root = path.parents[module.count(".") + is_package]
    named = (Import(text) for text in found.dotted if file_of(text))
    return Source(
        path,
        content,
        package,
        found.digest,
        (*(Import(*one) for one in found.imports), *named),
        tuple(CatalogueCall(*one) for one in found.catalogues),
        tuple(file for file in map(Path, found.files) if file != root),
        root,
    )


@cache
def kept_sources(root: Path) -> KeptSources:
    """What earlier processes found in the sources of a project folder."""
    return KeptSources(root, rules=(Path(__file__).read_bytes(), sorted(_USER_ERRORS)))


def _parse(content: bytes, path: Path, package: str) -> tuple[ast.Module, list[CatalogueCall]]:
    meaning = _Meaning(package)
    return meaning.visit(ast.parse(content, str(path))), meaning.catalogues


def _meaning_of(content: bytes, path: Path, package: str) -> Meaning:
    tree, catalogues = _parse(content, path, package)
    statements = tree.body
    return Meaning(
        digest_of_trees(statements),
        tuple(_imported_in(statements)),
        tuple(_dotted_in(statements)),
        tuple((one.chosen_by, one.entries, one.group, one.part) for one in catalogues),
        tuple(str(file) for file in _files_in(statements, path)),
    )


class _Meaning(ast.NodeTransformer):
    """Leaves out of a syntax tree what no result can depend on, and makes imports absolute.

    Args:
        package: that relative imports start at.

    """

    def __init__(self, package: str) -> None:
        self.package = package
        self.catalogues: list[CatalogueCall] = []

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """A string that stands alone is a docstring."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        """What is there for type checking alone is not there when it runs."""
        if _name_of(node.test) == "TYPE_CHECKING":
            return [self.visit(inner) for inner in node.orelse] or ast.copy_location(
                ast.Pass(), node
            )
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        """A relative import names the same module as an absolute one."""
        if node.level:
            parents = self.package.split(".")
            start = parents[: len(parents) - (node.level - 1)]
            node.module, node.level = ".".join([*start, node.module or ""]).rstrip("."), 0
        return node

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
        elif name == "Catalogue" and {"chosen_by", "entries"} <= {one.arg for one in node.keywords}:
            values = {one.arg: ast.literal_eval(one.value) for one in node.keywords}
            call = CatalogueCall(
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


def digest_of_trees(statements: Iterable[ast.stmt]) -> str:
    """SHA-256 over the syntax trees of statements, in their order."""
    digest = hashlib.sha256()
    for statement in statements:
        digest.update(ast.dump(statement).encode())
    return digest.hexdigest()


def imports_in(statements: Sequence[ast.stmt]) -> Iterator[Import]:
    """What is imported, and the modules that are named in a string."""
    yield from _imported_in(statements)
    yield from (Import(text) for text in _dotted_in(statements) if file_of(text))


def _imported_in(statements: Iterable[ast.stmt]) -> Iterator[Import]:
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (Import(node.module, alias.name) for alias in node.names)


def _dotted_in(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Strings that may name a module of this project."""
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if _DOTTED.fullmatch(text) and text.split(".")[0] in PROJECT_PACKAGES:
                yield text


def definitions_reached(module: str, function: str) -> list[ast.stmt]:
    """The statements at the top of a module that a function there needs."""
    by_name: dict[str, ast.stmt] = {}
    for statement in read_source(module).tree.body:
        for name in names_bound(statement):
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


def names_bound(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement at the top of a module gives to something."""
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
    step: Callable[[Path], Path]
    match node:
        case ast.Call(func=ast.Name("Path"), args=[ast.Name("__file__")]):
            return path
        case ast.Call(func=ast.Attribute(value=inner, attr="resolve" | "absolute")):
            step = Path.absolute
        case ast.Attribute(value=inner, attr="parent"):
            step = _parent
        case ast.Subscript(ast.Attribute(inner, attr="parents"), ast.Constant(int(number))):
            step = partial(_parent, number=number)
        case ast.BinOp(left=inner, op=ast.Div(), right=ast.Constant(str(name))):
            step = methodcaller("joinpath", name)
        case ast.Call(func=ast.Attribute(inner, attr=method), args=[ast.Constant(str(name))]) if (
            method in _PATH_METHODS
        ):
            step = methodcaller(method, name)
        case _:
            return None
    before = _path_in(inner, path)
    return before and step(before)


def _parent(path: Path, number: int = 0) -> Path:
    return path.parents[number]
