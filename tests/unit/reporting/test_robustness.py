"""Robustness probes on page, card and the run's page."""

from dataclasses import replace

import pytest

from tasks.records.robustness import Attack, MovedAnswer, Perturbed, Robustness
from tasks.reporting.card import render_card
from tasks.reporting.evidence import Evidence, EvidenceError, check_evidence
from tasks.reporting.page import Links, render_page
from tasks.reporting.robustness import robustness_markdown, robustness_section
from tasks.verdicts import Estimate, undetermined
from tests.unit.reporting.conftest import build_evidence, estimate, with_probes

MOVED = MovedAnswer("ab" * 32, "sport", "tech", "the <b>game", "the <b>gmae", 0.7)


def told(name: str, value: float) -> tuple[Estimate, Estimate, tuple[Estimate, ...]]:
    family = f"robustness.{name}"
    return (
        estimate(f"{family}.flip_rate", value, 0.02),
        estimate(f"{family}.score_shift", value / 2, 0.01),
        (estimate(f"{family}.macro_f1_drop", value / 4, 0.02),),
    )


def perturbed(
    kind: str,
    does: str,
    strength: float | None,
    changed: int,
    same: int,
    tried: int,
    flips: Estimate,
    shift: Estimate,
    drops: tuple[Estimate, ...] = (),
    *,
    keeps: bool = True,
    moved: tuple[MovedAnswer, ...] = (),
) -> Perturbed:
    return Perturbed(kind, does, strength, keeps, changed, same, tried, flips, shift, drops, moved)


FOUND = Robustness(
    rows=200,
    asked=321,
    data_sha256="cd" * 32,
    seed=7,
    on="2026-11-29",
    probed=(
        perturbed("typos", "letters", 0.05, 90, 0, 90, *told("typos.at_5", 0.04)),
        perturbed("typos", "letters", 0.2, 90, 0, 90, *told("typos", 0.25), moved=(MOVED,)),
        perturbed("upper_case", "capitals", None, 200, 199, 200, *told("upper_case", 0.02)),
        perturbed(
            "homophones", "sounds", 0.2, 0, 0, 200,
            undetermined("robustness.homophones.flip_rate", 0, "it changes 0 of 200"),
            undetermined("robustness.homophones.score_shift", 0, "it changes 0 of 200"),
        ),
        perturbed("negation", "verbs", None, 80, 0, 90, *told("negation", 0.5)[:2], keeps=False),
    ),
    attack=Attack(
        50, 1_234, 60, 0.2, estimate("robustness.attack.flip_rate", 0.6, 0.1), 0.08, (MOVED,)
    ),
)  # fmt: skip


@pytest.fixture
def evidence() -> Evidence:
    return build_evidence()


def probed(evidence: Evidence) -> Evidence:
    return with_probes(evidence, robustness=FOUND)


def test_a_line_without_probes_says_nothing_of_them(evidence: Evidence) -> None:
    assert robustness_section(None) is None
    assert "Robustness" not in render_page(evidence, Links("", ""))
    assert "Robustness" not in render_card(evidence)


def test_kinds_that_may_turn_the_answer_stand_apart(evidence: Evidence) -> None:
    section = robustness_section(probed(evidence).scores.robustness)
    assert section is not None
    assert [(row.kind, row.strength, row.changed) for row in section.kept] == [
        ("typos", "5.0%", "90"), ("typos", "20.0%", "90"), ("upper case", "whole text", "200"),
        ("homophones", "20.0%", "0"),
    ]  # fmt: skip
    assert [row.kind for row in section.turned] == ["negation"]
    assert section.kept[2].same_tokens == "199 read as before"
    # The picture: a bar for each rate that is known, on one axis from 0.
    bars = [row.bar for row in section.kept]
    assert bars[3] is None
    low, high = bars[0], bars[1]
    assert low is not None
    assert high is not None
    assert low.value < high.value
    assert section.drops is not None
    assert [row.metric for row in section.drops.rows] == [
        "robustness.typos.macro_f1_drop", "robustness.upper_case.macro_f1_drop"
    ]  # fmt: skip
    assert all(row.falls for row in section.drops.rows)


def test_page_and_card_say_what_was_probed_when_and_what_was_not(evidence: Evidence) -> None:
    whole = probed(evidence)
    page, card = render_page(whole, Links("", "")), render_card(whole)
    for text in (page, card):
        assert "4 kinds of small changes were tried on the 200 test rows" in text
        assert "cdcdcdcdcdcd" in text
        assert "2026-11-29" in text
        assert "Not probed: changes of other kinds" in text
        assert "A greedy search over 50 rows" in text
        assert "1,234 texts" in text
    assert "the &lt;b&gt;gmae" in page
    assert "<b>gmae" not in page
    assert "Found by search and not by chance" in page
    assert "typos at 20.0% (letters): flip rate 0.2500" in card
    assert "homophones at 20.0% (sounds): nothing is known, it changes 0 of 200" in card
    assert "another answer may be right" in card


def test_the_run_s_page_has_the_rates(evidence: Evidence) -> None:
    found = probed(evidence).scores.robustness
    assert found is not None
    markdown = robustness_markdown(found)
    assert "| typos | 20.0% | 90 | 0.2500 |" in markdown
    assert "it changes 0 of 200" in markdown
    assert "A greedy search" in markdown


def test_a_number_that_no_record_holds_is_not_shown(evidence: Evidence) -> None:
    scores = replace(evidence.scores, robustness=FOUND)
    with pytest.raises(EvidenceError, match="the robustness probes claims robustness"):
        check_evidence(replace(evidence, scores=scores))
