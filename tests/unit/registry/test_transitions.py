"""Transitions that are cut off after any of their writes, over a registry that is held in memory.

The faults are made on real servers in tests/faults; here every step of every kind of transition is
cut off, and what is written is seen in its order.
"""

from dataclasses import replace

import pytest

from infra.errors import IntegrityError, PromotionError
from infra.write_once import OnceRecord
from tasks.registry.ledger import OVERRIDDEN, PROMOTED, REFUSED, ROLLED_BACK
from tasks.registry.outcomes import Outcome, outcome_of
from tasks.registry.proof import Proof, proof_of
from tasks.registry.registration import EVIDENCE_TAGS
from tasks.registry.transitions import (
    carry_out,
    evidence_of,
    record,
)
from tasks.registry.version_tags import ENTRY_TAG, MANIFEST_TAG
from tasks.verdicts import Verdict
from tests.unit.registry.held_in_memory import (
    CONTENTS,
    LINE,
    MANIFESTS,
    CutOffError,
    Line,
    evidence,
)


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
        ("entry", made.uri), ("once 00000003", made.sha256),
        ("mark", "assayline.moving.00000003"), ("previous", 2), ("production", 3), ("staging", 3),
        ("assayline.action", "promoted"),
        ("assayline.decided", f"{entry.at[:19]}Z by policy: as seen"),
        ("assayline.verdict", "pass"),
        ("assayline.ledger", made.uri), ("unmark", "assayline.moving.00000003"),
    ]  # fmt: skip


def test_tags_of_what_does_not_move_and_of_what_has_no_verdict(line: Line) -> None:
    line.move(REFUSED, 3, Verdict.FAIL)
    assert line.registry.tags[3]["assayline.verdict"] == "fail"
    line.move(OVERRIDDEN, 4, None)
    assert "assayline.verdict" not in line.registry.tags[4]


def test_what_an_earlier_release_tagged_tells_of_no_older_entry(line: Line) -> None:
    former = {"assayline.by": "Ada", "assayline.reason": "so", "assayline.promoted_at": "then"}
    line.registry.tags[3] |= former
    made = line.move(PROMOTED, 3)
    assert not former.keys() & line.registry.tags[3].keys()
    assert line.registry.tags[3]["assayline.ledger"] == made.uri


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
    line.writes.allowed = 2  # the entry, which counts
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


@pytest.mark.parametrize("tag", ["kept", "forged"])
def test_a_hand_in_mlflow_cannot_put_other_files_in_production(line: Line, tag: str) -> None:
    """Not even with a tag that names a manifest of these files: the ledger knows the old one."""
    line.registry.contents[1] = CONTENTS[3]
    if tag == "forged":
        line.registry.tags[1][MANIFEST_TAG] = MANIFESTS[3][1]
    line.registry.by_alias |= {"production": 1, "previous": 2}
    with pytest.raises(PromotionError, match="assayline reconcile"):
        line.settle()
    said = "somebody changed it" if tag == "forged" else "weights was changed"
    for _ in range(2):
        with pytest.raises(IntegrityError, match=said):
            line.reconcile("accept")
    line.reconcile("restore")
    assert line.registry.by_alias == {"production": 2, "previous": 1, "staging": 2}
    assert line.settle()[0].production == 2


def test_a_hand_in_mlflow_is_accepted_where_the_files_are_those_of_the_version(line: Line) -> None:
    line.registry.by_alias |= {"production": 1, "previous": 2}
    with pytest.raises(PromotionError, match="assayline reconcile"):
        line.settle()
    line.reconcile("accept")
    assert line.settle()[0].production == 1


def test_aliases_that_a_sleeping_process_left_are_set_only_to_proven_files(line: Line) -> None:
    line.registry.mark(f"{LINE}.ledger", "assayline.moving.00000001.12345678", "then")
    line.registry.by_alias = {"production": 1, "staging": 1}
    line.registry.contents[2] = b"other weights"
    assert line.state().stale
    with pytest.raises(IntegrityError, match="weights was changed"):
        line.settle()
    assert line.registry.by_alias == {"production": 1, "staging": 1}
    line.registry.contents[2] = CONTENTS[2]
    line.settle()
    assert line.registry.by_alias["production"] == 2


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
