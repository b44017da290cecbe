"""Explained answers on page, card and the run's page."""

import pytest

from tasks.records.explanation import ExplainedMethod, Explanation, LabelWords, PushingWord
from tasks.reporting.card import render_card
from tasks.reporting.evidence import Evidence
from tasks.reporting.explanation import explanation_markdown, explanation_section
from tasks.reporting.page import Links, render_page
from tasks.verdicts import undetermined
from tests.unit.reporting.conftest import build_evidence, estimate, with_probes

OCCLUSION = ExplainedMethod(
    "occlusion",
    (
        estimate("explanation.occlusion.comprehensiveness", 0.31, 0.02),
        estimate("explanation.occlusion.sufficiency", 0.05, 0.02),
        estimate("explanation.occlusion.comprehensiveness_gain", 0.21, 0.02),
        undetermined("explanation.occlusion.rationale_auc", 3, "3 rows are too few"),
    ),
    "faithful: its words matter more",
)
CHANCE = ExplainedMethod(
    "random", (estimate("explanation.random.comprehensiveness", 0.1, 0.02),), "words by chance"
)
TOLD = Explanation(
    rows=150,
    methods=(OCCLUSION, CHANCE),
    words_by="occlusion",
    words=(
        LabelWords("tech", "", 40, (PushingWord("<i>chip", 1.25, 7), PushingWord("net", 0.5, 3))),
        LabelWords("tech", "gender: female", 12, ()),
    ),
    identity=(estimate("explanation.identity_words.gender", 0.123, 0.02),),
    rationales=3,
    inexact=2,
    unit="log-odds",
)


@pytest.fixture
def evidence() -> Evidence:
    return build_evidence()


def explained(evidence: Evidence) -> Evidence:
    return with_probes(evidence, explanation=TOLD)


def test_a_line_that_explains_nothing_says_nothing_of_it(evidence: Evidence) -> None:
    assert explanation_section(None) is None
    assert 'id="explanation"' not in render_page(evidence, Links("", ""))
    assert "## Explanation" not in render_card(evidence)


def test_the_page_shows_methods_words_and_groups(evidence: Evidence) -> None:
    page = render_page(explained(evidence), Links("", ""))
    for words in (
        'id="explanation"',
        "150 test rows were explained",
        "3 of the rows have people&#39;s rationales",
        "The integrated gradients of 2 rows miss their sum",
        "0.3100 [0.2900, 0.3300]",
        "undetermined: 3 rows are too few",
        "faithful: its words matter more",
        "&lt;i&gt;chip +1.25 (7), net +0.50 (3)",
        "gender: female",
        "no word is in enough rows",
        "None of it says that an answer is right",
    ):
        assert words in page
    fairness = page.partition('id="fairness"')[2].partition("</section>")[0]
    assert "Identity words in the answers" in fairness
    assert "0.1230" in fairness


def test_the_card_names_the_artifacts_behind_each_number(evidence: Evidence) -> None:
    card = render_card(explained(evidence))
    digest = evidence.weights.artifact.sha256[:12]
    section = card.partition("## Explanation")[2].partition("\n## ")[0]
    assert "faithful: its words matter more" in section
    assert f"weights {digest}" in section
    assert "explanation.occlusion.comprehensiveness_gain" in card


def test_the_run_s_page_has_the_table_of_methods() -> None:
    markdown = explanation_markdown(TOLD)
    assert "occlusion" in markdown
    assert "0.3100" in markdown
    assert "all rows" in markdown
