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
import csv
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, distributions, version
from pathlib import Path
from typing import Final

from infra import errors, module_source
from infra.catalogue import entries_of
from infra.digests import digest_of
from infra.module_source import PROJECT_PACKAGES, CatalogueCall, Import

# What no result can depend on, and why. Their imports are not followed.
CANNOT_SHAPE: Final[Mapping[str, str]] = {
    "infra.catalogue": "looks up a name; the entry that it finds is counted itself",
    "infra.code_digest": "makes the keys",
    "infra.digests": "makes the keys",
    "infra.kept_sources": "makes the keys",
    "infra.errors": "names of errors; an error leaves no result",
    "infra.mlflow_names": "writes names as MLflow admits them; the records keep their own",
    "infra.module_source": "makes the keys",
    "infra.model_registry": "speaks with MLflow; what it sends and finds are arguments and results",
    "infra.settings": "says where the servers are",
    "infra.settings_models": "refuses wrong settings; those that it admits are arguments",
    "infra.store": "moves bytes, which are checked by their digest",
    "infra.tracking": "shows curves and metrics in MLflow; what is read back completes them there",
    "infra.write_once": "keeps in MLflow which ledger entries count; promotion is never kept",
    "tasks.stages.caching": "makes the keys",
    "tasks.stages.reasons": "keeps what the keys were made of",
    "tasks.stages.page_artifacts": "shows what a stage does on the page of its run",
    "tasks.stages.run_page": "shows results on the page of the Prefect run",
}
# Settings whose value is an importable package, such as a model of spaCy.
PACKAGE_SETTINGS: Final = ("name_model",)
# A patch release of Python changes no result, and nobody retrains for it.
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


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
    module_source.kept_sources(module_source.ROOT).save()
    for setting in PACKAGE_SETTINGS:
        reach.packages |= set(_values_of(arguments, setting))
    reached = {name for package in reach.packages for name in _distributions_of(package)}
    files = sorted(
        (file.relative_to(root).as_posix(), file)
        for path, root in reach.files.items()
        for file in _files_at(path)
    )
    return Code(
        dict(sorted(reach.modules.items())),
        {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files},
        {"python": PYTHON, **{name: _version_of(name) for name in sorted(reached)}},
    )


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
        definitions = module_source.definitions_reached(module, function)
        self.modules[module] = module_source.digest_of_trees(definitions)
        self._follow(module_source.imports_in(definitions))

    def _follow_module(self, module: str) -> None:
        if module in self.modules or module in CANNOT_SHAPE:
            return
        source = module_source.read_source(module)
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
            found = inner if name and module_source.file_of(inner) else module
            parts = found.split(".")
            for end in range(1, len(parts) + 1):
                self._follow_module(".".join(parts[:end]))

    def _chosen(self, call: CatalogueCall) -> dict[str, str]:
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
    for statement in module_source.read_source(module).tree.body:
        call = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if isinstance(call, ast.Call) and attribute in module_source.names_bound(statement):
            for keyword in call.keywords:
                if keyword.arg == part and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
    raise errors.SettingsError(
        f"{place} must be a call at the top of its module that names {part} as a literal string, "
        f"such as {part}='package.module:attribute'"
    )


def _values_of(value: object, key: str) -> Iterator[str]:
    """Every string that stands under a key, or in a list there, anywhere in a JSON value.

    A list without one gives an empty string: that nothing is chosen is a choice as well.
    """
    if isinstance(value, dict):
        for name, item in value.items():
            if name == key and isinstance(item, str):
                yield item
            if name == key and isinstance(item, list):
                yield from [one for one in item if isinstance(one, str)] or [""]
            yield from _values_of(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _values_of(item, key)


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
    """The distributions of each package, as `importlib.metadata.packages_distributions` gives them.

    That looks whether each installed file is there, which takes a second of each run.
    """
    found: dict[str, list[str]] = {}
    for distribution in distributions():
        for package in _packages_of(distribution):
            found.setdefault(package, []).append(distribution.metadata["Name"])
    return found


def _packages_of(distribution: Distribution) -> Iterable[str]:
    """The importable names that a distribution says it installs."""
    if declared := (distribution.read_text("top_level.txt") or "").split():
        return declared
    record = distribution.read_text("RECORD")
    if record is None:
        paths = [str(path) for path in distribution.files or ()]
    else:
        paths = [row[0] for row in csv.reader(record.splitlines()) if row]
    return {path.split("/")[0].removesuffix(".py") for path in paths if path.endswith(".py")}


def _distributions_of(package: str) -> Iterable[str]:
    """The installed distributions that a package comes with; none of the standard library's."""
    if package in sys.stdlib_module_names:
        return ()
    return _distributions().get(package, ())


@cache
def _version_of(distribution: str) -> str:
    return version(distribution)
