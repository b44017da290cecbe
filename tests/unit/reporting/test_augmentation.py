"""New rows and what they have bought, on page, card, readme and the run's page."""

from dataclasses import replace

import pytest

from tasks.records.augmentation import Augmentation, ChangedText, MethodRows
from tasks.reporting.augmentation import (
    augmentation_markdown,
    augmentation_section,
    sentence_of,
)
from tasks.reporting.card import render_card, render_model_readme
from tasks.reporting.evidence import Evidence, sources_of
from tasks.reporting.number_format import title_of
from tasks.reporting.page import Links, render_page
from tests.unit.reporting.conftest import artifact, build_evidence, estimate

NEW_ROWS = Augmentation(
    artifact=artifact("augmented", 9_000, ".parquet"),
    rows=321,
    parents=250,
    training_rows=1_112,
    methods=(
        MethodRows(
            "word_swap", 0.2, 222, 221, {"a held-out text": 3, "contract: near-duplicate": 1},
            (ChangedText("profits <b>rose</b>", "rose <b>profits</b>"),),
        ),
        MethodRows("counterfactual", 0.1, 111, 100, {"nothing to change": 900}),
    ),
)  # fmt: skip


@pytest.fixture
def evidence() -> Evidence:
    return build_evidence()


def augmented(evidence: Evidence, *, compared: bool = True) -> Evidence:
    bought = (
        estimate("augmentation.noisy.macro_f1", 0.95, 0.02),
        estimate("augmentation.noisy.without.macro_f1", 0.91, 0.02),
        estimate("augmentation.noisy.macro_f1_gain", 0.04, 0.02),
    )
    scores = evidence.scores
    if compared:
        scores = replace(scores, estimates=(*scores.estimates, *bought))
    tokens = replace(evidence.tokens, augmented_rows=NEW_ROWS.rows)
    return replace(evidence, scores=scores, tokens=tokens, augmentation=NEW_ROWS)


def test_rows_of_the_source_and_new_ones_are_told_apart() -> None:
    said = sentence_of(NEW_ROWS)
    assert said.startswith("321 new rows were made of 250 of the 1,112 training rows (28.9%)")
    assert "All other counts of rows are of rows of the source." in said


def test_a_line_without_new_rows_says_nothing_of_them(evidence: Evidence) -> None:
    assert augmentation_section(None, evidence.scores.estimates) is None
    assert "new rows" not in render_page(evidence, Links("", ""))
    assert "new rows" not in render_card(evidence)
    assert "augmented" not in sources_of(evidence)


def test_methods_are_told_with_what_was_left_out_and_why(evidence: Evidence) -> None:
    section = augmentation_section(NEW_ROWS, evidence.scores.estimates)
    assert section is not None
    assert [row.cells for row in section.methods] == [
        ("word swap", "222", "221", "a held-out text: 3; contract: near-duplicate: 1"),
        ("counterfactual", "111", "100", "nothing to change: 900"),
    ]
    assert not section.bought
    assert "augmentation.compare is off" in section.note


def test_page_and_card_show_both_models_and_the_gain(evidence: Evidence) -> None:
    told = augmented(evidence)
    page, card = render_page(told, Links("", "")), render_card(told)
    for words in (
        "macro F1 gain, test rows with wrong keys and misspelt words",
        "macro F1, test rows with wrong keys and misspelt words, without new rows",
        "321 new rows were made of 250",
        "by the same recipe, with as many epochs",
        "profits &lt;b&gt;rose&lt;/b&gt;",
    ):
        assert words in page
    assert "<b>rose" not in page
    digest = NEW_ROWS.artifact.sha256[:12]
    assert "word swap: 221 of 222 new rows; left out: a held-out text: 3" in card
    assert f"augmented {digest}" in card
    assert "augmentation.noisy.macro_f1_gain" in card
    assert sources_of(told)["augmented"].sha256 == NEW_ROWS.artifact.sha256


@pytest.mark.parametrize("compared", [True, False])
def test_the_run_s_page_has_the_methods_and_what_they_bought(
    evidence: Evidence, *, compared: bool
) -> None:
    told = augmented(evidence, compared=compared)
    markdown = augmentation_markdown(NEW_ROWS, told.scores.estimates)
    assert "word swap" in markdown
    assert ("macro F1 gain" in markdown) == compared


def test_cut_texts_are_a_share_of_all_that_was_tokenized(evidence: Evidence) -> None:
    """Not of the rows of the source, which are fewer than the texts that could be cut."""
    told = augmented(evidence)
    source = evidence.data.rows_by_split["train"]
    assert f"of {source + 321:,} texts are longer" in render_card(told)
    assert f"of {source:,} texts are longer" in render_card(evidence)


def test_the_readme_of_the_model_says_it_too(evidence: Evidence) -> None:
    asked = (
        evidence.line, evidence.data, evidence.base_model, evidence.weights, evidence.scores,
        evidence.card,
    )  # fmt: skip
    assert sentence_of(NEW_ROWS)[:40] in render_model_readme(*asked, NEW_ROWS)
    assert "new rows" not in render_model_readme(*asked)


def test_a_gate_on_a_gain_says_over_whom() -> None:
    said = title_of("augmentation.noisy.macro_f1_gain")
    assert said.endswith("over the same recipe without new rows")
    assert "noisy" in said
