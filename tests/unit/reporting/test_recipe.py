"""Of what the numbers are claimed: report, card, model folder and the page of the run."""

from dataclasses import replace

from tasks.evaluation.recipe import with_recipe
from tasks.reporting.card import render_card, render_model_readme
from tasks.reporting.evidence import Evidence
from tasks.reporting.page import Links, render_page
from tasks.reporting.recipe import OF_THIS_ARTIFACT, claimed_of, recipe_markdown
from tests.unit.reporting.parsed_page import Page


def readme_of(evidence: Evidence) -> str:
    return render_model_readme(
        evidence.line, evidence.data, evidence.base_model, evidence.weights, evidence.scores,
        evidence.card,
    )  # fmt: skip


def test_one_training_is_claimed_to_be_one_draw(passed: Evidence) -> None:
    page = Page(render_page(passed, Links("", "")))
    said = OF_THIS_ARTIFACT.partition(" (")[0]
    for text in (
        page.text, render_card(passed), readme_of(passed), recipe_markdown(passed.scores),
    ):  # fmt: skip
        assert said in " ".join(text.split())
    assert "The recipe" not in page.text


def test_of_several_trainings_the_page_says_what_they_come_to(passed: Evidence) -> None:
    own = passed.scores
    lower = tuple(
        replace(
            one, value=one.value - 0.01, ladder=tuple((a - 0.01, b - 0.01) for a, b in one.ladder)
        )
        if one.value is not None
        else one
        for one in own.estimates
    )
    scores = with_recipe(own, [replace(own, estimates=lower)], (3, 4), ("a" * 64, "b" * 64))
    evidence = replace(passed, scores=scores)
    page = Page(render_page(evidence, Links("", "")))
    row = next(r for r in page.rows if r[0] == "macro F1" and len(r) == 6)
    (told,) = (one for one in scores.recipe.metrics if one.metric == "macro_f1")  # type: ignore[union-attr]
    assert told.estimate.value is not None
    assert row[1].startswith(f"{told.estimate.value:.4f}"[:5])
    assert row[5].count(",") == 1
    assert "one of 2 trainings of its recipe" in claimed_of(scores)
    assert "seed 3" in page.text
    card = render_card(evidence)
    assert "recipe.macro_f1" in card
    assert "one of 2 trainings" in card
    assert "macro F1" in recipe_markdown(scores)
