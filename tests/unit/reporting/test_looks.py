"""The report says how often its rows were looked at, and at which level they are judged."""

from dataclasses import replace

import pytest

from tasks.records.looks import HeldOut, Look
from tasks.reporting.card import render_card
from tasks.reporting.evidence import Evidence, EvidenceError, check_evidence
from tasks.reporting.looks import look_sentences, ordinal, width_at
from tasks.reporting.page import Links, render_page
from tasks.reporting.summaries import gates_markdown
from tasks.verdicts import Gate, combine, judge, look_share, undetermined
from tests.unit.reporting.conftest import artifact
from tests.unit.reporting.parsed_page import Page

LINKS = Links("", "")


def looked_at(evidence: Evidence, since_pass: int, *, free: bool = False) -> Evidence:
    """The same evidence, judged as so many looks since a pass ask."""
    look = Look(
        "bbc-news", 9, "w" * 64, HeldOut(artifact("rows", 5_000), 625),
        HeldOut(artifact("fresh", 96), 12), 8, since_pass, (), "run", "2026-11-01T00:00:00+00:00",
    )  # fmt: skip
    fresh = (undetermined("fresh.macro_f1", 12, "12 of the 625 test rows"),)
    scores = replace(evidence.scores, estimates=(*evidence.scores.estimates, *fresh))
    share = 1 if free else look_share(since_pass)
    rules = [(gate.metric, *gate.rule.rsplit(" ", 1)) for gate in evidence.judgement.gates]
    gates = [
        Gate.model_validate({"metric": metric, side.replace(" ", "_"): float(limit)})
        for metric, side, limit in rules
    ]
    judged = judge(gates, evidence.estimates, share)
    judgement = replace(
        evidence.judgement, gates=judged, verdict=combine(gate.verdict for gate in judged),
        look=look, look_share=share,
    )  # fmt: skip
    return replace(evidence, scores=scores, judgement=judgement)


@pytest.mark.parametrize("since_pass", [1, 3, 9])
def test_the_page_says_how_often_and_how_surely(refused: Evidence, since_pass: int) -> None:
    evidence = looked_at(refused, since_pass)
    html = render_page(evidence, LINKS)
    assert "<caption>" not in html  # on a phone it is squeezed into a column of one word a line
    page = Page(html)
    assert page.open == []
    assert "looked at 8 times before" in page.text
    assert f"this is the {ordinal(since_pass)} look since a candidate last passed" in page.text
    confidence = {1: "97.5%", 3: "99.58%", 9: "99.944%"}[since_pass]
    assert f"judged at {confidence}" in page.text
    assert "after 52 more that do not pass" in page.text
    assert "12 of these rows were read by no earlier look" in page.text
    assert "12 of the 625 test rows" in page.text
    # Each table stands under words that say what it is.
    explained = page.text.index("one of them passes a gate in at most 2.5%")
    fresh = page.text.index("On rows that no earlier look has read")
    assert explained < page.text.index("after 10 more that do not pass") < fresh
    assert "looked at 8 times before" in gates_markdown(evidence.judgement)
    assert f"at {confidence}" in gates_markdown(evidence.judgement)
    assert f"is judged at {confidence}" in render_card(evidence)


def test_free_looks_are_said_to_be_free(refused: Evidence) -> None:
    text = Page(render_page(looked_at(refused, 3, free=True), LINKS)).text
    assert "policy.looks.spending: none" in text
    assert "more that do not pass" not in text


def test_an_interval_beyond_the_ladder_is_still_held_against_its_estimate(
    refused: Evidence,
) -> None:
    evidence = looked_at(refused, 9)
    check_evidence(evidence)
    (first, *others) = evidence.judgement.gates
    assert first.low is not None
    forged = replace(evidence.judgement, gates=(replace(first, low=first.low + 1e-6), *others))
    with pytest.raises(EvidenceError, match="which no record holds"):
        check_evidence(replace(evidence, judgement=forged))


def test_a_judgement_at_a_kinder_level_than_its_look_asks_is_refused(refused: Evidence) -> None:
    evidence = looked_at(refused, 1)
    check_evidence(evidence)
    later = replace(evidence.judgement, look_share=look_share(3))
    with pytest.raises(EvidenceError, match=r"judged at 97\.5000%, and this look asks 99\.5833%"):
        check_evidence(replace(evidence, judgement=later))


def test_the_looks_at_golden_sets_are_said_where_they_are_more(refused: Evidence) -> None:
    evidence = looked_at(refused, 1)
    assert evidence.judgement.look
    look = replace(evidence.judgement.look, of_line=3)
    gate = replace(evidence.judgement.gates[0], metric="golden.team.macro_f1")
    judgement = replace(
        evidence.judgement, look=look, golden_share=look_share(3),
        gates=(gate, *evidence.judgement.gates),
    )  # fmt: skip
    said = look_sentences(judgement)
    assert "this is the 3rd since one passed: gates on them are judged at 99.58%" in said[-1]
    assert look_sentences(replace(judgement, golden_share=2))[-1].endswith("(fresh.*)")


def test_widths_are_those_of_a_normal_estimate() -> None:
    assert [round(width_at(share), 2) for share in (1, 2, 6)] == [1.0, 1.14, 1.35]
    assert width_at(2_756) == pytest.approx(2.19, rel=0.12)
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th",
    ]  # fmt: skip
