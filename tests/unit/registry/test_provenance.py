"""The record of what a version was made of, beside its tags."""

from dataclasses import replace

import pytest

from infra.errors import IntegrityError, MissingObjectError
from infra.store import keep_by_digest
from tasks.registry.ledger import PROMOTED
from tasks.registry.proof import proof_of
from tasks.registry.provenance import FOLDER, facts_of, keep_provenance, read_provenance
from tasks.registry.verification import _lost_evidence
from tasks.registry.version_tags import (
    DATA_TAG,
    LOOKED_UP,
    MANIFEST_TAG,
    METRIC_TAG,
    PROVENANCE_TAG,
    TASK_TYPE_TAG,
    WEIGHTS_TAG,
)
from tests.unit.registry.held_in_memory import LINE, Line, Store, Writes

LOOKED_UP_FACTS = {
    WEIGHTS_TAG: "w1", DATA_TAG: "d1", TASK_TYPE_TAG: "chat", METRIC_TAG: "macro_f1 0.9",
}  # fmt: skip
FACTS = {**LOOKED_UP_FACTS, "assayline.labels": "a, 的, \U0001f600"}
NAME = "version 3 of bbc-news"


@pytest.fixture
def store() -> Store:
    return Store(Writes())


@pytest.fixture
def tags(store: Store) -> dict[str, str]:
    sha256 = keep_provenance(FACTS, store)  # type: ignore[arg-type]
    return {**LOOKED_UP_FACTS, PROVENANCE_TAG: sha256, "team": "news"}


def test_the_record_and_the_tags_are_read_together(store: Store, tags: dict[str, str]) -> None:
    assert facts_of(NAME, tags, store) == {**tags, **FACTS}  # type: ignore[arg-type]


def test_a_version_of_an_earlier_release_has_all_in_its_tags(store: Store) -> None:
    old = {**FACTS, "assayline.weights_uri": "s3://artifacts/weights/w1"}
    assert facts_of(NAME, old, store) == old  # type: ignore[arg-type]


@pytest.mark.parametrize("tag", LOOKED_UP_FACTS)
@pytest.mark.parametrize("seen", ["other", None])
def test_a_tag_that_says_otherwise_than_the_record_is_refused(
    store: Store, tags: dict[str, str], tag: str, seen: str | None
) -> None:
    changed = {**tags, tag: seen} if seen else {k: v for k, v in tags.items() if k != tag}
    with pytest.raises(IntegrityError, match=f"the tag {tag} of {NAME} is {seen or 'gone'}"):
        facts_of(NAME, changed, store)  # type: ignore[arg-type]


def test_a_record_that_was_changed_or_lost_is_refused(store: Store, tags: dict[str, str]) -> None:
    (uri,) = store.objects
    store.objects[uri] = store.objects[uri].replace(b"w1", b"w2")
    with pytest.raises(IntegrityError, match="was changed after it was written"):
        read_provenance(tags[PROVENANCE_TAG], store)  # type: ignore[arg-type]
    store.objects.clear()
    with pytest.raises(MissingObjectError):
        facts_of(NAME, tags, store)  # type: ignore[arg-type]


@pytest.mark.parametrize("tag", sorted({*LOOKED_UP} - LOOKED_UP_FACTS.keys()))
def test_a_tag_that_the_record_lacks_is_refused(
    store: Store, tags: dict[str, str], tag: str
) -> None:
    with pytest.raises(IntegrityError, match=f"the tag {tag} of {NAME} is other, .* not set"):
        facts_of(NAME, {**tags, tag: "other"}, store)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"[]", b"1", b"\xff", b"{"])
def test_an_object_under_its_right_digest_that_is_no_record_is_refused(
    store: Store, content: bytes
) -> None:
    sha256 = keep_by_digest(store, FOLDER, content).sha256  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match=f"{sha256}.json is no record of what"):
        read_provenance(sha256, store)  # type: ignore[arg-type]


@pytest.mark.parametrize("seen", ["other", None])
def test_ledger_and_tag_must_name_the_same_record(tags: dict[str, str], seen: str | None) -> None:
    line = Line()
    recorded = line.move(PROMOTED, 3).entry
    entry = replace(recorded, evidence={**recorded.evidence, "provenance": tags[PROVENANCE_TAG]})
    named = {**line.registry.tags[3], PROVENANCE_TAG: tags[PROVENANCE_TAG]}
    assert proof_of(LINE, 3, [entry], named).manifest_sha256 == named[MANIFEST_TAG]
    changed = {name: value for name, value in named.items() if name != PROVENANCE_TAG}
    changed |= {PROVENANCE_TAG: seen} if seen else {}
    with pytest.raises(IntegrityError, match=f"tag {PROVENANCE_TAG} names {seen or 'none'}"):
        proof_of(LINE, 3, [entry], changed)


def test_evidence_of_a_lost_record_is_told(store: Store, tags: dict[str, str]) -> None:
    entry = replace(Line().move(PROMOTED, 3).entry, evidence={"provenance": tags[PROVENANCE_TAG]})
    assert list(_lost_evidence([entry], store)) == []  # type: ignore[arg-type]
    store.objects.clear()
    (fault,) = _lost_evidence([entry], store)  # type: ignore[arg-type]
    assert "the provenance of a ledger entry" in fault
    assert tags[PROVENANCE_TAG] in fault


def test_what_a_record_names_is_looked_for_too(store: Store) -> None:
    sha256 = keep_provenance({**FACTS, "assayline.scores_sha256": "5c0e"}, store)  # type: ignore[arg-type]
    entry = replace(Line().move(PROMOTED, 3).entry, evidence={"provenance": sha256})
    (fault,) = _lost_evidence([entry], store)  # type: ignore[arg-type]
    assert "the scores of a ledger entry" in fault
