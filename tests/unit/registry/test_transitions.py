"""Transitions that are cut off after any of their writes, over a registry that is held in memory.

The faults are made on real servers in tests/faults; here every step of every kind of transition is
cut off, and what is written is seen in its order.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from infra.artifact_manifest import ListedFile, to_bytes
from infra.errors import IntegrityError, PromotionError
from tasks.registry.ledger import OVERRIDDEN, PROMOTED, REFUSED, ROLLED_BACK, Recorded
from tasks.registry.proof import Proof, proof_of
from tasks.registry.registration import EVIDENCE_TAGS
from tasks.registry.transitions import (
    ENTRY_TAG,
    LineState,
    carry_out,
    evidence_of,
    record,
    settle,
)
from tasks.registry.version_tags import MANIFEST_TAG
from tasks.verdicts import Verdict

LINE = "bbc-news"
CONTENTS = {version: f"w{version}".encode() for version in range(1, 5)}


def manifest_of(content: bytes) -> tuple[bytes, str]:
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = to_bytes([ListedFile("weights", len(content), sha256)])
    return manifest, hashlib.sha256(manifest).hexdigest()


MANIFESTS = {version: manifest_of(content) for version, content in CONTENTS.items()}


def evidence(version: int) -> dict[str, str]:
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

    def put_bytes(self, uri: str, data: bytes) -> None:
        self.writes.add("entry", uri)
        self.objects[uri] = data

    def get_bytes(self, uri: str) -> bytes:
        return self.manifests.get(uri) or self.objects[uri]

    def list(self, prefix: str) -> list[str]:
        return sorted(uri for uri in self.objects if uri.startswith(prefix))


class Registry:
    """Aliases of one line, and tags of its versions, of one file each."""

    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.contents = dict(CONTENTS)
        self.by_alias: dict[str, int] = {}
        self.tags: dict[int, dict[str, str]] = {}

    def aliases(self, line: str) -> dict[str, int]:
        assert line == LINE
        return dict(self.by_alias)

    def version_tags(self, line: str, version: int) -> dict[str, str]:
        assert line == LINE
        return {MANIFEST_TAG: MANIFESTS[version][1], **self.tags.get(version, {})}

    def download_artifact(self, line: str, version: int, folder: Path) -> Path:
        assert line == LINE
        (folder / "weights").write_bytes(self.contents[version])
        return folder

    def set_alias(self, line: str, alias: str, version: int) -> None:
        assert line == LINE
        self.writes.add(alias, version)
        self.by_alias[alias] = version

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


@pytest.fixture
def line() -> Line:
    """A line that promoted versions 1 and 2."""
    made = Line()
    made.move(PROMOTED, 1)
    made.move(PROMOTED, 2)
    made.writes.done.clear()
    return made


def test_a_first_promotion_has_no_way_back() -> None:
    line = Line()
    assert line.state().head is None
    first = line.move(PROMOTED, 1)
    assert (first.entry.from_version, first.entry.to_version, first.entry.previous_sha256) == (
        None, 1, "",
    )  # fmt: skip
    assert line.registry.by_alias == {"production": 1, "staging": 1}
    assert line.state().production == 1
    assert line.state().previous is None


@pytest.mark.parametrize(
    ("action", "candidate", "aliases"),
    [
        (PROMOTED, 3, {"production": 3, "previous": 2, "staging": 3}),
        (OVERRIDDEN, 3, {"production": 3, "previous": 2, "staging": 3}),
        (ROLLED_BACK, 1, {"production": 1, "previous": 2, "staging": 2}),
        (REFUSED, 3, {"production": 2, "previous": 1, "staging": 2}),
    ],
)
def test_what_each_kind_of_transition_moves(
    line: Line, action: str, candidate: int, aliases: dict[str, int]
) -> None:
    head = line.state().head
    assert head is not None
    made = line.move(action, candidate)
    assert line.registry.by_alias == aliases
    assert made.entry.previous_sha256 == head.sha256
    assert (made.entry.from_version, made.entry.candidate_version) == (2, candidate)
    assert made.entry.evidence == evidence(candidate)
    state = line.state()
    assert (state.production, state.previous) == (aliases["production"], aliases["previous"])
    assert state.head == made
    assert state.pending is None


def test_the_entry_is_written_first_and_its_address_on_the_version_last(line: Line) -> None:
    made = line.move(PROMOTED, 3)
    entry = made.entry
    assert line.writes.done == [
        ("entry", made.uri), ("previous", 2), ("production", 3), ("staging", 3),
        ("assayline.action", "promoted"), ("assayline.reason", "as seen"),
        ("assayline.by", "policy"), ("assayline.decided_at", entry.at),
        ("assayline.verdict", "pass"), ("assayline.promoted_at", entry.at),
        ("assayline.ledger", made.uri),
    ]  # fmt: skip


def test_tags_of_what_does_not_move_and_of_what_has_no_verdict(line: Line) -> None:
    line.move(REFUSED, 3, Verdict.FAIL)
    assert line.registry.tags[3]["assayline.verdict"] == "fail"
    assert "assayline.promoted_at" not in line.registry.tags[3]
    line.move(OVERRIDDEN, 4, None)
    assert "assayline.verdict" not in line.registry.tags[4]


@pytest.mark.parametrize(
    ("action", "candidate"), [(PROMOTED, 3), (OVERRIDDEN, 3), (ROLLED_BACK, 1), (REFUSED, 3)]
)
def test_a_transition_that_is_cut_off_is_carried_out_later(
    line: Line, action: str, candidate: int
) -> None:
    """After each of its writes: before the entry nothing was decided, and after it all is."""
    line.move(action, candidate)
    writes = len(line.writes.done)
    assert writes > 5
    for allowed in range(writes):
        cut = Line()
        cut.move(PROMOTED, 1)
        cut.move(PROMOTED, 2)
        untouched = dict(cut.registry.by_alias)
        cut.writes.allowed = allowed
        with pytest.raises(CutOffError):
            cut.move(action, candidate)
        cut.writes.allowed = 10**6
        state = cut.state()
        assert (state.pending is None) == (allowed == 0)
        assert state.production == (line if allowed else cut).registry.by_alias["production"]
        assert state.previous == (line if allowed else cut).registry.by_alias["previous"]
        state, carried_out = cut.settle()
        assert (carried_out is None) == (allowed == 0)
        assert state.pending is None
        assert cut.settle()[1] is None
        assert cut.registry.by_alias == (line.registry.by_alias if allowed else untouched)
        head = state.head
        assert head is not None
        assert cut.registry.tags[head.entry.candidate_version][ENTRY_TAG] == head.uri


@pytest.mark.parametrize("action", [PROMOTED, OVERRIDDEN, ROLLED_BACK])
def test_production_never_moves_to_files_that_are_not_those_of_the_manifest(
    line: Line, action: str
) -> None:
    before = dict(line.registry.by_alias)
    line.registry.contents[3] = b"other weights"
    with pytest.raises(IntegrityError, match=r"version 3 of bbc-news .* weights was changed"):
        line.move(action, 3)
    assert line.registry.by_alias == before
    assert line.writes.done == []


def test_a_transition_that_was_cut_off_is_not_carried_out_on_other_files(line: Line) -> None:
    line.writes.allowed = 1
    with pytest.raises(CutOffError):
        line.move(PROMOTED, 3)
    line.writes.allowed = 10**6
    before = dict(line.registry.by_alias)
    line.registry.contents[3] = b"other weights"
    with pytest.raises(IntegrityError, match="weights was changed"):
        line.settle()
    assert line.registry.by_alias == before
    line.registry.contents[3] = CONTENTS[3]
    line.settle()
    assert line.registry.by_alias == {"production": 3, "previous": 2, "staging": 3}


def test_the_tag_cannot_name_another_manifest_than_the_ledger(line: Line) -> None:
    line.registry.contents[1] = CONTENTS[3]
    line.registry.tags[1][MANIFEST_TAG] = MANIFESTS[3][1]
    with pytest.raises(IntegrityError, match=r"the version's tag .* somebody changed it"):
        line.move(ROLLED_BACK, 1)


def test_what_a_later_entry_copied_from_a_changed_tag_does_not_count(line: Line) -> None:
    """The oldest entry of a version says what it was when it was proven."""
    history = [recorded.entry for recorded in line.state().history]
    other = MANIFESTS[3][1]
    poisoned = replace(history[0], evidence={"manifest": other, "answers": "other"})
    proven = replace(history[0], evidence={**history[0].evidence, "answers": "given"})
    tags = {MANIFEST_TAG: MANIFESTS[1][1], "assayline.answers_sha256": "other"}
    proof = proof_of(LINE, 1, [proven, poisoned], tags)
    assert proof == Proof(MANIFESTS[1][1], "given")
    with pytest.raises(IntegrityError, match="somebody changed it"):
        proof_of(LINE, 1, [proven, poisoned], {**tags, MANIFEST_TAG: other})
    assert proof_of(LINE, 2, [proven], tags) == Proof(MANIFESTS[1][1], "other")


def test_a_move_without_a_manifest_is_refused(line: Line) -> None:
    state, _ = line.settle()
    with pytest.raises(IntegrityError, match="version 3 of bbc-news has no manifest"):
        record(
            line.store, line.registry, state, action=PROMOTED,  # type: ignore[arg-type]
            to_version=3, candidate=3, verdict=Verdict.PASS, reason="as seen", by="policy",
            evidence={"weights": "w3"},
        )  # fmt: skip
    assert line.writes.done == []


def test_carrying_out_twice_changes_nothing(line: Line) -> None:
    made = line.move(PROMOTED, 3)
    before = (dict(line.registry.by_alias), {n: dict(t) for n, t in line.registry.tags.items()})
    carry_out(made, line.registry)  # type: ignore[arg-type]
    assert line.seen == before


def test_a_version_that_names_an_entry_which_the_ledger_lacks_stops_everything(line: Line) -> None:
    """Of production and of the newest entry's candidate; what no alias holds is not asked."""
    gone = "s3://artifacts/ledger/gone"
    line.move(REFUSED, 3)
    for version in (2, 3):
        tags, own = line.registry.tags[version], line.registry.tags[version][ENTRY_TAG]
        tags[ENTRY_TAG] = gone
        with pytest.raises(PromotionError, match=f"lacks .*{gone}, which version {version}"):
            line.state()
        tags[ENTRY_TAG] = own
    line.registry.tags[1] |= {ENTRY_TAG: gone}
    assert line.state().pending is None


def test_newest_entries_that_were_removed_are_missed_by_production(line: Line) -> None:
    for uri in line.store.list("s3://artifacts")[1:]:
        del line.store.objects[uri]
    with pytest.raises(PromotionError, match="version 2 names"):
        line.state()


def test_an_entry_of_unmoved_production_keeps_the_way_back(line: Line) -> None:
    """Production without a from_version: nobody knows an older way back than the alias."""
    line.writes.allowed = 1
    with pytest.raises(CutOffError):
        line.move(PROMOTED, 3)
    line.writes.allowed = 10**6
    pending = line.state().pending
    assert pending is not None
    assert line.state().previous == 2
    bare = replace(pending, entry=replace(pending.entry, from_version=None))
    carry_out(bare, line.registry)  # type: ignore[arg-type]
    assert line.registry.by_alias == {"production": 3, "previous": 1, "staging": 3}


def test_evidence_is_what_the_tags_tell() -> None:
    (name, tag), *_ = EVIDENCE_TAGS.items()
    assert evidence_of({tag: "sha", "other": "x"}) == {name: "sha"}
    assert evidence_of({}) == {}
