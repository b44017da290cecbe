"""How training rows were weighed and what it cost, on page, card, readme and the run's page."""

from dataclasses import replace

import pytest

from tasks.records.attribute_removal import AttributeRemoval, NamedRight
from tasks.records.evaluation import ComparedVersion, Comparison
from tasks.records.group_dro import DroCell, GroupDro, GroupWeights
from tasks.records.reweighing import Reweighing, WeighedCell
from tasks.reporting.card import render_card, render_model_readme
from tasks.reporting.charts import tradeoff_plane
from tasks.reporting.claims import unsupported_claims
from tasks.reporting.evidence import Evidence
from tasks.reporting.groups import group_tables, other_estimates
from tasks.reporting.mitigation import mitigation_markdown, mitigation_of, mitigation_section
from tasks.reporting.number_format import title_of
from tasks.reporting.page import Links, render_page
from tasks.verdicts import undetermined
from tests.unit.reporting.conftest import build_evidence, estimate

WEIGHTS = Reweighing(
    "gender",
    (
        WeighedCell("female", "sport", 12, 10.0, 14.5),
        WeighedCell("female", "tech", 0, None, None),
        WeighedCell("male", "sport", 80, 0.75, 0.75),
    ),
    92,
    1_020,
)
PRICE = estimate("unmitigated.macro_f1_gain", -0.004, 0.01)
WORST = estimate("unmitigated.gender.worst_group_row_score_gain", 0.03, 0.02)
GAP = estimate("unmitigated.gender.accuracy_difference", 0.12, 0.04, low=0)


def mitigated(*, compared: bool = True) -> Evidence:
    evidence = build_evidence()
    tokens = replace(evidence.tokens, reweighing=WEIGHTS)
    if not compared:
        return replace(evidence, tokens=tokens)
    other = ComparedVersion("unmitigated", 0, 200, name="the model without mitigation")
    scores = replace(
        evidence.scores,
        estimates=(*evidence.scores.estimates, PRICE, estimate("unmitigated.macro_f1", 0.97, 0.02)),
        versions=(*evidence.scores.versions, other),
        comparisons=(Comparison("unmitigated", "macro_f1", PRICE, "", None, None, ()),),
    )
    told = (*evidence.fairness.estimates, WORST, GAP)
    fairness = replace(evidence.fairness, estimates=told)
    return replace(evidence, tokens=tokens, scores=scores, fairness=fairness)


def test_the_weights_and_the_tradeoff_are_on_the_page() -> None:
    page = render_page(mitigated(), Links("", ""))
    assert "The loss of 92 training rows was weighed so that gender and label" in page
    assert "10.00, cut from 14.50" in page
    assert "female with tech: there is no training row" in page
    assert 'id="tradeoff-worst_group_row_score_gain-title"' in page
    assert "With the model without mitigation" in page
    assert "gender: accuracy difference, candidate" in page
    assert "gender: accuracy difference, model without mitigation" in page
    assert "Mitigation</h2>" not in render_page(build_evidence(), Links("", ""))


def test_what_groups_came_to_weigh_is_on_page_card_and_readme() -> None:
    cells = (DroCell("female", "sport", 10), DroCell("female", "tech", 0),
             DroCell("male", "sport", 90))  # fmt: skip
    made = mitigated()
    tokens = replace(made.tokens, reweighing=None, group_dro=GroupDro("gender", cells, 7, 0.01, 6))
    came_to = GroupWeights((0.6, 0.0, 0.4), (0.7, 0.0, 0.3), 0.125)
    made = replace(made, tokens=tokens, weights=replace(made.weights, group_weights=came_to))
    page, card = render_page(made, Links("", "")), render_card(made)
    for told in (page, card):
        assert "100 training rows was weighed by gender and label, the more the worse" in told
        assert "7 rows that are in no group count once" in told
        # Of 100 rows, 10 with half of the weight count by 5; then by 6, and by 7, cut to 6.
        assert "5.000 at first, 6.000 on average, 6.000 at the end" in told
        assert "0.5556 at first, 0.4444 on average, 0.3333 at the end" in told
        assert "In 12.5% of the steps a group asked for more than" in told
        assert "female with tech: there is no training row" in told
    assert 'id="tradeoff-worst_group_row_score_gain-title"' in page
    done = mitigation_of(made.tokens, made.weights)
    readme = render_model_readme(
        made.line, made.data, made.base_model, made.weights, made.scores, made.card, None, done
    )
    assert "(group DRO, Sagawa et al. 2020, step size 0.01)" in readme


def test_what_was_taken_out_is_told_with_how_well_a_probe_tells_it_still() -> None:
    made = mitigated()
    removal = AttributeRemoval(
        "gender", ("female", "male"), 900, 1_000, 8, 7, 384, 0.55,
        NamedRight(0.91, 0.88, 0.94, 439), NamedRight(0.56, 0.51, 0.61, 439),
    )  # fmt: skip
    tokens = replace(made.tokens, reweighing=None)
    made = replace(made, tokens=tokens, weights=replace(made.weights, removal=removal))
    done = mitigation_of(made.tokens, made.weights)
    assert done is removal
    markdown = mitigation_markdown(removal, "classification", made.estimates)
    for told in (render_page(made, Links("", "")), markdown):
        assert "7 of the 384 dimensions that the last layer reads" in told
        assert "8 linear classifiers told gender in 900 training rows" in told
        assert "it was fitted again on 1,000" in told
        assert "the largest group has 0.5500" in told
    page = render_page(made, Links("", ""))
    assert "names the group of 0.5600 [0.5100, 0.6100] of 439 validation rows right" in page
    assert "before it was 0.9100 [0.8800, 0.9400]" in page
    assert "| group |" not in markdown
    assert "Ravfogel et al. 2020" in render_card(made)


def test_without_a_comparison_nothing_says_what_it_cost() -> None:
    section = mitigation_section(WEIGHTS, "classification", ())
    assert section is not None
    assert (section.pictures, "compare is off" in section.note) == ((), True)
    assert "compare is off" in render_page(mitigated(compared=False), Links("", ""))
    assert mitigation_section(None, "classification", ()) is None


def test_card_readme_and_run_page_tell_it() -> None:
    made = mitigated()
    card = render_card(made)
    assert "female with sport: 12 training rows, weight 10.00, cut from 14.50" in card
    for one in (PRICE, WORST, GAP):
        assert one.name in card
    readme = render_model_readme(
        made.line, made.data, made.base_model, made.weights, made.scores, made.card, None,
        made.tokens.reweighing,
    )  # fmt: skip
    assert "The loss of 92 training rows was weighed" in readme
    assert "| male | sport | 80 | 0.7500 |" in mitigation_markdown(
        WEIGHTS, "classification", made.estimates
    )
    assert not list(unsupported_claims(made.scores, made.fairness))
    assert title_of(PRICE.name) == "macro F1 gain over the model without mitigation"


def test_a_cross_has_both_intervals_and_what_is_untold_has_none() -> None:
    plane = tradeoff_plane(PRICE, WORST)
    assert plane is not None
    middle, left, right, _, below, above = plane.lines[0].dots
    assert left.x < middle.x < right.x
    assert left.y == middle.y == right.y
    assert above.y < middle.y < below.y  # y grows downwards
    nothing = plane.lines[1].dots[0]
    assert (plane.marker, nothing.described) == (nothing.x, "no change")
    assert middle.x < nothing.x
    assert middle.y < nothing.y
    assert tradeoff_plane(PRICE, undetermined(WORST.name, 3, "few")) is None


@pytest.mark.parametrize("name", [WORST.name, GAP.name])
def test_groups_show_nothing_of_the_other_model(name: str) -> None:
    """Beside the candidate's own gaps, its would read as one of them."""
    page = mitigated()
    parts = [*(t for g in group_tables(page.fairness) for t in g.between),
             *other_estimates(page.fairness)]  # fmt: skip
    assert name not in {row.metric for part in parts for row in part.rows}
