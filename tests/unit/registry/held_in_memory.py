"""A line over a store and a registry that are held in memory, whose writes can be cut off.

The faults are made on real servers in tests/faults.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.artifact_manifest import ListedFile, to_bytes
from infra.errors import MissingObjectError
from infra.model_registry import KnownVersion
from infra.store import Artifact
from infra.write_once import OnceRecord
from tasks.records.registry import Reconciliation
from tasks.registry.ledger import REFUSED, Recorded
from tasks.registry.line_state import LineState
from tasks.registry.reconciliation import reconcile_line
from tasks.registry.settings import OnOutsideMove
from tasks.registry.transitions import record, settle
from tasks.registry.version_tags import MANIFEST_TAG, WEIGHTS_TAG
from tasks.verdicts import Verdict

LINE = "bbc-news"
CONTENTS = {version: f"w{version}".encode() for version in range(1, 5)}


def manifest_of(content: bytes) -> tuple[bytes, str]:
    """The manifest of a version of one file, and its digest."""
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = to_bytes([ListedFile("weights", len(content), sha256)])
    return manifest, hashlib.sha256(manifest).hexdigest()


MANIFESTS = {version: manifest_of(content) for version, content in CONTENTS.items()}


def evidence(version: int) -> dict[str, str]:
    """What a version is judged by."""
    return {"weights": f"w{version}", "manifest": MANIFESTS[version][1]}


class CutOffError(BaseException):
    """Stands for the power going off: no handler of the product's catches it."""


class Writes:
    """What was written, in order; after ``allowed`` more writes the power goes off."""

    def __init__(self) -> None:
        self.done: list[tuple[str, object]] = []
        self.allowed = 10**6

    def add(self, what: str, value: object) -> None:
        if not self.allowed:
            raise CutOffError
        self.allowed -= 1
        self.done.append((what, value))


class Store:
    """The ledger's objects by address, and the manifests, which were kept long before."""

    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.objects: dict[str, bytes] = {}
        self.manifests = {self.uri("manifests", f"{sha}.json"): m for m, sha in MANIFESTS.values()}

    def uri(self, *parts: str) -> str:
        return "/".join(["s3://artifacts", *parts])

    def put_bytes(self, uri: str, data: bytes) -> Artifact:
        self.writes.add("entry", uri)
        self.objects[uri] = data
        return Artifact(uri, hashlib.sha256(data).hexdigest(), len(data))

    def get_bytes(self, uri: str) -> bytes:
        found = self.manifests.get(uri) or self.objects.get(uri)
        if found is None:
            raise MissingObjectError(uri)
        return found

    def list(self, prefix: str) -> list[str]:
        return sorted(uri for uri in self.objects if uri.startswith(prefix))

    def delete(self, uri: str) -> None:
        self.objects.pop(uri, None)


class Registry:
    """Aliases of one line, its versions of one file each with their tags, and what is set once."""

    url = "http://mlflow"

    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.by_alias: dict[str, int] = {}
        self.contents = dict(CONTENTS)
        self.tags = {
            number: {WEIGHTS_TAG: f"w{number}", MANIFEST_TAG: MANIFESTS[number][1]}
            for number in CONTENTS
        }
        self.record = OnceRecord({}, {})

    def aliases(self, line: str) -> dict[str, int]:
        assert line == LINE
        return dict(self.by_alias)

    def known_version(self, line: str, version: int) -> KnownVersion | None:
        assert line == LINE
        tags = self.tags.get(version)
        return KnownVersion(dict(tags), "", "then", "then") if tags else None

    def known_versions(self, line: str) -> dict[int, KnownVersion]:
        assert line == LINE
        return {n: KnownVersion(dict(tags), "", "then", "then") for n, tags in self.tags.items()}

    def version_tags(self, line: str, version: int) -> dict[str, str]:
        assert line == LINE
        return dict(self.tags[version])

    def download_artifact(self, line: str, version: int, folder: Path) -> Path:
        assert line == LINE
        (folder / "weights").write_bytes(self.contents[version])
        return folder

    def read_record(self, name: str) -> OnceRecord:
        assert name == f"{LINE}.ledger"
        return OnceRecord(dict(self.record.values), dict(self.record.marks))

    def write_once(self, name: str, key: str, value: str) -> str:
        assert name == f"{LINE}.ledger"
        if key not in self.record.values:
            self.writes.add(f"once {key}", value)
        return self.record.values.setdefault(key, value)

    def mark(self, name: str, key: str, value: str) -> None:
        assert name == f"{LINE}.ledger"
        self.writes.add("mark", key[:-9])
        self.record.marks[key] = value

    def unmark(self, name: str, key: str) -> None:
        assert name == f"{LINE}.ledger"
        self.writes.add("unmark", key[:-9])
        del self.record.marks[key]

    def delete_alias(self, line: str, alias: str) -> None:
        assert line == LINE
        self.writes.add(f"no {alias}", None)
        del self.by_alias[alias]

    def set_alias(self, line: str, alias: str, version: int) -> None:
        assert line == LINE
        self.writes.add(alias, version)
        self.by_alias[alias] = version

    def delete_tags(self, line: str, version: int, names: Sequence[str]) -> None:
        assert line == LINE
        for name in names:
            self.writes.add(f"no {name}", None)
            del self.tags[version][name]

    def set_tags(self, line: str, version: int, tags: Mapping[str, str]) -> None:
        assert line == LINE
        for name, value in tags.items():
            self.writes.add(name, value)
            self.tags.setdefault(version, {})[name] = value


class Line:
    """A line with versions 1, 2, ... and how production moves in it."""

    def __init__(self) -> None:
        self.writes = Writes()
        self.store, self.registry = Store(self.writes), Registry(self.writes)

    def state(self) -> LineState:
        return LineState(LINE, self.store, self.registry)  # type: ignore[arg-type]

    def settle(self) -> tuple[LineState, Recorded | None]:
        return settle(LINE, self.store, self.registry)  # type: ignore[arg-type]

    def reconcile(self, on_outside_move: OnOutsideMove) -> Reconciliation:
        return reconcile_line(
            LINE, on_outside_move, "ann", "as seen",
            store=self.store, tracking=self.registry,  # type: ignore[arg-type]
        )  # fmt: skip

    def move(self, action: str, candidate: int, verdict: Verdict | None = Verdict.PASS) -> Recorded:
        state, _ = self.settle()
        return record(
            self.store, self.registry, state, action=action,  # type: ignore[arg-type]
            to_version=state.production if action == REFUSED else candidate, candidate=candidate,
            verdict=verdict, reason="as seen", by="policy", evidence=evidence(candidate),
        )  # fmt: skip

    @property
    def seen(self) -> tuple[dict[str, int], dict[int, dict[str, str]]]:
        return self.registry.by_alias, self.registry.tags
