"""Withheld answers on page, card and the run's page."""

from dataclasses import replace

import pytest

from tasks.records.abstention import Abstention
from tasks.records.abstention_scores import AbstentionPart, AbstentionScores, RiskPoint
from tasks.reporting.abstention import abstention_markdown, abstention_section, fitted_sentence
from tasks.reporting.card import call_of, purpose_of, render_card
from tasks.reporting.evidence import Evidence, EvidenceError
from tasks.reporting.page import Links, render_page
from tasks.verdicts import undetermined
from tests.unit.reporting.conftest import build_evidence, estimate, with_probes

FITTED = Abstention(0.8125, 0.05, "answers", 0.9, 0.3, 0.9, 222, 190, 4)
PART = AbstentionPart(
    "gender", "<female>", 120,
    estimate("abstention.gender.coverage.<female>", 0.5, 0.05),
    estimate("abstention.gender.coverage_gap.<female>", -0.3125, 0.05),
    undetermined("abstention.gender.selective_risk.<female>", 9, "answers to it are 9"),
    estimate("abstention.gender.set_coverage.<female>", 0.9, 0.05),
    estimate("abstention.gender.set_coverage_gap.<female>", 0.01, 0.05),
    estimate("abstention.gender.set_size.<female>", 1.5, 0.05),
)  # fmt: skip
TOLD = AbstentionScores(
    fitted=FITTED,
    rows=800,
    overall=(
        estimate("abstention.coverage", 0.8375, 0.02),
        estimate("abstention.selective_risk", 0.0315, 0.01),
        estimate("abstention.error_rate", 0.026, 0.01),
        estimate("abstention.set_coverage", 0.91, 0.02),
        estimate("abstention.set_size", 1.25, 0.02),
    ),
    parts=(PART,),
    curve=(RiskPoint(0.1, 0.0), RiskPoint(1.0, 0.0725)),
)


@pytest.fixture
def evidence() -> Evidence:
    return build_evidence()


def withheld(evidence: Evidence) -> Evidence:
    weights = replace(evidence.weights, abstention=FITTED)
    return with_probes(replace(evidence, weights=weights), abstention=TOLD)


def test_page_and_card_say_that_the_guarantee_is_of_clusters(evidence: Evidence) -> None:
    assert "of a row drawn from each cluster" not in fitted_sentence(FITTED)
    clustered = replace(FITTED, of_clusters=True)
    told = with_probes(withheld(evidence), abstention=replace(TOLD, fitted=clustered))
    for text in (render_page(told, Links("", "")), render_card(told)):
        assert "the guarantee is of a row drawn from each cluster" in " ".join(text.split())


def test_a_line_that_answers_every_row_says_nothing_of_it(evidence: Evidence) -> None:
    assert abstention_section(None) is None
    assert 'id="abstention"' not in render_page(evidence, Links("", ""))
    assert "### Abstention" not in render_card(evidence)


def test_the_page_shows_threshold_curve_and_groups(evidence: Evidence) -> None:
    page = render_page(withheld(evidence), Links("", ""))
    section = page.split('<section id="abstention"')[1].split("</section>")[0]
    assert "below 0.8125: fitted on 222 validation rows" in section
    assert "with confidence 90.0% at most 5.0% of the answers given are wrong" in section
    assert "0.8375" in section or "0.838" in section
    assert 'id="risk-coverage-title"' in section
    assert 'class="kept-epoch" x1="83.75%"' in section
    assert "&lt;female&gt; (gender)" in section
    assert "<female>" not in page
    assert "answers to it are 9" in section
    assert "it is none for a group or a label" in section


def test_the_card_says_when_it_abstains_and_how_it_is_asked(evidence: Evidence) -> None:
    card = render_card(withheld(evidence))
    section = card.split("### Abstention")[1].split("\n##")[0]
    assert "answers abstain where its score is below 0.8125" in section
    assert "from" in section
    assert "pandas.DataFrame" in card
    assert "pandas.DataFrame" not in render_card(evidence)
    purpose = purpose_of(evidence)
    assert call_of("classification", purpose) != call_of("classification", purpose, by_script=True)


def test_the_runs_page_has_each_number(evidence: Evidence) -> None:
    told = abstention_markdown(TOLD)
    assert "0.0315" in told
    assert "exchangeable" not in told  # the page has it whole
    assert told.count("\n|") >= 5


def test_other_risks_are_told_as_what_they_are() -> None:
    assert "in expectation at most 5.0% of all rows" in fitted_sentence(
        replace(FITTED, risk_of="rows")
    )
    assert "answers every row" in fitted_sentence(replace(FITTED, threshold=0.0))


def test_a_number_that_no_estimate_holds_is_refused(evidence: Evidence) -> None:
    changed = replace(
        TOLD, overall=(estimate("abstention.coverage", 0.99, 0.02), *TOLD.overall[1:])
    )
    told = withheld(evidence)
    with pytest.raises(EvidenceError, match=r"abstention claims abstention\.coverage 0\.99"):
        render_page(replace(told, scores=replace(told.scores, abstention=changed)), Links("", ""))
