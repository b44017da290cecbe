"""Transitions that are cut off after any of their writes, over a registry that is held in memory.

The faults are made on real servers in tests/faults; here every step of every kind of transition is
cut off, and what is written is seen in its order.
"""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from infra.errors import MissingObjectError, PromotionError
from infra.model_registry import KnownVersion
from infra.write_once import OnceRecord
from tasks.registry.ledger import OVERRIDDEN, PROMOTED, REFUSED, ROLLED_BACK, Recorded
from tasks.registry.line_state import LineState
from tasks.registry.outcomes import Outcome, outcome_of
from tasks.registry.registration import EVIDENCE_TAGS
from tasks.registry.transitions import (
    carry_out,
    evidence_of,
    record,
    settle,
)
from tasks.registry.version_tags import ENTRY_TAG, WEIGHTS_TAG
from tasks.verdicts import Verdict

LINE = "bbc-news"


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
    """The ledger's objects by address."""

    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.objects: dict[str, bytes] = {}

    def uri(self, *parts: str) -> str:
        return "/".join(["s3://artifacts", *parts])

    def put_bytes(self, uri: str, data: bytes) -> None:
        self.writes.add("entry", uri)
        self.objects[uri] = data

    def get_bytes(self, uri: str) -> bytes:
        if uri not in self.objects:
            raise MissingObjectError(uri)
        return self.objects[uri]

    def list(self, prefix: str) -> list[str]:
        return sorted(uri for uri in self.objects if uri.startswith(prefix))

    def delete(self, uri: str) -> None:
        self.objects.pop(uri, None)


class Registry:
    """Aliases of one line, tags of its versions, and values that are set once."""

    url = "http://mlflow"

    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.by_alias: dict[str, int] = {}
        self.tags = {number: {WEIGHTS_TAG: f"w{number}"} for number in range(1, 5)}
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
            verdict=verdict, reason="as seen", by="policy", evidence={"weights": f"w{candidate}"},
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
    assert made.entry.evidence == {"weights": f"w{candidate}"}
    state = line.state()
    assert (state.production, state.previous) == (aliases["production"], aliases["previous"])
    assert state.head == made
    assert state.pending is None


def test_the_entry_is_written_first_and_its_address_on_the_version_last(line: Line) -> None:
    made = line.move(PROMOTED, 3)
    entry = made.entry
    assert line.writes.done == [
        ("entry", made.uri), ("once 00000003", made.sha256),
        ("mark", "assayline.moving.00000003"), ("previous", 2), ("production", 3), ("staging", 3),
        ("assayline.action", "promoted"), ("assayline.reason", "as seen"),
        ("assayline.by", "policy"), ("assayline.decided_at", entry.at),
        ("assayline.verdict", "pass"), ("assayline.promoted_at", entry.at),
        ("assayline.ledger", made.uri), ("unmark", "assayline.moving.00000003"),
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
    """After each of its writes: before the entry counts nothing was decided, and then all is.

    But for the last one, which takes back the mark of who moves aliases.
    """
    line.move(action, candidate)
    writes = len(line.writes.done)
    assert writes > 5
    for allowed in range(writes - 1):
        counts = allowed > 1
        cut = Line()
        cut.move(PROMOTED, 1)
        cut.move(PROMOTED, 2)
        untouched = dict(cut.registry.by_alias)
        cut.writes.allowed = allowed
        with pytest.raises(CutOffError):
            cut.move(action, candidate)
        cut.writes.allowed = 10**6
        state = cut.state()
        assert (state.pending is not None) == counts
        assert state.production == (line if counts else cut).registry.by_alias["production"]
        assert state.previous == (line if counts else cut).registry.by_alias["previous"]
        state, carried_out = cut.settle()
        assert (carried_out is not None) == counts
        assert state.pending is None
        assert cut.settle()[1] is None
        assert cut.registry.by_alias == (line.registry.by_alias if counts else untouched)
        head = state.head
        assert head is not None
        assert cut.registry.tags[head.entry.candidate_version][ENTRY_TAG] == head.uri


def test_carrying_out_twice_changes_nothing(line: Line) -> None:
    line.move(PROMOTED, 3)
    before = (dict(line.registry.by_alias), {n: dict(t) for n, t in line.registry.tags.items()})
    carry_out(line.state().history, line.store, line.registry)  # type: ignore[arg-type]
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


def test_newest_entries_that_were_removed_are_missed_by_the_registry(line: Line) -> None:
    (uri,) = line.store.list("s3://artifacts")[1:]
    del line.store.objects[uri]
    with pytest.raises(PromotionError, match=f"{uri} is missing, which the registry knows as"):
        line.state()
    # Of an earlier release's ledger only the versions know.
    line.registry.record = OnceRecord({}, {})
    with pytest.raises(PromotionError, match="version 2 names"):
        line.state()


def test_an_entry_of_unmoved_production_keeps_the_way_back(line: Line) -> None:
    """Production without a from_version: nobody knows an older way back than the one before."""
    line.move(PROMOTED, 3)
    *before, last = (recorded.entry for recorded in line.state().history)
    assert outcome_of([*before, last]) == Outcome(3, 2, 3)
    assert outcome_of([*before, replace(last, from_version=None)]) == Outcome(3, 1, 3)


def test_evidence_is_what_the_tags_tell() -> None:
    (name, tag), *_ = EVIDENCE_TAGS.items()
    assert evidence_of({tag: "sha", "other": "x"}) == {name: "sha"}
    assert evidence_of({}) == {}
