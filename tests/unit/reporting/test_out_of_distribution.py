"""Out-of-distribution texts on page, card and the run's page."""

from dataclasses import replace

from tasks.records.out_of_distribution import (
    OutOfDistribution,
    OutOfDistributionScore,
    OutOfDistributionText,
)
from tasks.reporting.card import render_card
from tasks.reporting.metrics import is_better_lower
from tasks.reporting.out_of_distribution import (
    out_of_distribution_markdown,
    out_of_distribution_section,
)
from tasks.reporting.page import Links, render_page
from tasks.verdicts import undetermined
from tests.unit.reporting.conftest import build_evidence, estimate

TOLD = OutOfDistribution(
    path="/home/somebody/ood.jsonl",
    sha256="ab" * 32,
    rows=400,
    test_rows=800,
    training_rows=2_000,
    scores=(
        OutOfDistributionScore(
            "energy", "negative logarithm", 1.5,
            estimate("out_of_distribution.energy.auroc", 0.8725, 0.02),
            estimate("out_of_distribution.energy.flagged", 0.4, 0.02),
            estimate("out_of_distribution.energy.false_positive_rate", 0.05, 0.01),
        ),
        OutOfDistributionScore(
            "knn", "distance to the nearest", 1.5,
            undetermined("out_of_distribution.knn.auroc", 3, "3 rows are too few"),
            estimate("out_of_distribution.knn.flagged", 0.5, 0.02),
            estimate("out_of_distribution.knn.false_positive_rate", 0.06, 0.01),
        ),
    ),
    answered=estimate("out_of_distribution.answered", 0.2125, 0.02),
    surest=(OutOfDistributionText("<b>an unlike text", "tech", 0.9975),),
)  # fmt: skip


def test_nothing_is_said_of_what_was_not_probed() -> None:
    assert out_of_distribution_section(None) is None
    assert 'id="out-of-distribution"' not in render_page(build_evidence(), Links("", ""))


def test_page_card_and_run_have_each_number_and_no_path_of_the_machine() -> None:
    evidence = build_evidence()
    estimates = (*evidence.scores.estimates, *TOLD.estimates)
    scores = replace(evidence.scores, estimates=estimates, out_of_distribution=TOLD)
    told = replace(evidence, scores=scores)
    page, card, run = (
        render_page(told, Links("", "")),
        render_card(told),
        out_of_distribution_markdown(TOLD),
    )
    section = page.split('<section id="out-of-distribution"')[1].split("</section>")[0]
    assert "&lt;b&gt;an unlike text" in section
    assert "3 rows are too few" in section
    assert "not withholds" in section
    assert "told of this file alone" in section
    assert "kNN" in section
    assert "False positive rate at 95% of the validation rows" in section
    for text in (section, card, run):
        assert "400 out-of-distribution texts (ood.jsonl, SHA-256 abababababab)" in text
        assert "somebody" not in text
    assert "0.8725" in run or "0.873" in run or "0.872" in run
    assert "AUROC" in card


def test_a_false_positive_rate_falls_and_a_ratio_between_groups_does_not() -> None:
    assert is_better_lower("out_of_distribution.energy.false_positive_rate")
    assert not is_better_lower("out_of_distribution.energy.auroc")
    assert not is_better_lower("fairness.gender.false_positive_rate_ratio")
    assert is_better_lower("champion.brier_ratio")
