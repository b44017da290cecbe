"""A report says nothing that its records do not hold."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tasks.reporting.card import render_card
from tasks.reporting.evidence import Evidence, EvidenceError
from tasks.reporting.page import Links, render_page
from tasks.verdicts import Verdict

LINKS = Links("", "")


def other_weights(evidence: Evidence) -> Evidence:
    return replace(evidence, version=replace(evidence.version, weights_sha256="0" * 64))


def no_digest(evidence: Evidence) -> Evidence:
    clean = replace(evidence.data.clean, sha256="")
    return replace(evidence, data=replace(evidence.data, clean=clean))


def no_address(evidence: Evidence) -> Evidence:
    artifact = replace(evidence.scores.artifact, uri="")
    return replace(evidence, scores=replace(evidence.scores, artifact=artifact))


def unmeasured_gate(evidence: Evidence) -> Evidence:
    kept = tuple(e for e in evidence.scores.estimates if e.name != "quality.macro_f1")
    return replace(evidence, scores=replace(evidence.scores, estimates=kept))


def better_gate(evidence: Evidence) -> Evidence:
    first, *others = evidence.judgement.gates
    gates = (replace(first, value=0.99), *others)
    return replace(evidence, judgement=replace(evidence.judgement, gates=gates))


def narrower_gate(evidence: Evidence) -> Evidence:
    first, *others = evidence.judgement.gates
    gates = (replace(first, low=0.97), *others)
    return replace(evidence, judgement=replace(evidence.judgement, gates=gates))


def unstaged_pass(evidence: Evidence) -> Evidence:
    return replace(evidence, judgement=replace(evidence.judgement, verdict=Verdict.PASS))


def other_labels(evidence: Evidence) -> Evidence:
    return replace(evidence, scores=replace(evidence.scores, labels=("a", "b", "c", "d", "e")))


def other_line(evidence: Evidence) -> Evidence:
    return replace(evidence, line="other")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (other_weights, "made of weights 000"),
        (no_digest, "data has address"),
        (no_address, "scores has address ''"),
        (unmeasured_gate, "gate quality.macro_f1 claims 0.97"),
        (better_gate, "gate quality.macro_f1 claims 0.99"),
        (narrower_gate, "gate quality.macro_f1 claims"),
        (unstaged_pass, "nothing was staged"),
        (other_labels, "scores have labels"),
        (other_line, "the version is of line 'bbc-news'"),
    ],
)
def test_a_claim_without_its_evidence_is_refused(
    refused: Evidence, spoil: Callable[[Evidence], Evidence], words: str
) -> None:
    with pytest.raises(EvidenceError, match=re.escape(words)):
        render_page(spoil(refused), LINKS)
    with pytest.raises(EvidenceError, match=re.escape(words)):
        render_card(spoil(refused))


def test_a_staged_version_must_be_this_one(passed: Evidence) -> None:
    assert passed.staged
    with pytest.raises(EvidenceError, match="version 5 was staged"):
        render_page(replace(passed, staged=replace(passed.staged, version=5)), LINKS)
