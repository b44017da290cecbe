"""The report and the card of every kind of task type, from what the stages measure of it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
from huggingface_hub import ModelCard

from tasks.records.evaluation import Claim
from tasks.records.fairness import Flip
from tasks.reporting.card import call_of, render_card, short_card
from tasks.reporting.evidence import Evidence, EvidenceError, sources_of
from tasks.reporting.number_format import count, interval, number, words_of
from tasks.reporting.page import Links, render_page
from tasks.reporting.summaries import calibration_markdown, confusion_markdown, groups_markdown
from tasks.task_types.model_card_texts import MODEL_CARDS, card_texts_of
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.server import server_of
from tasks.verdicts import Estimate, Verdict
from tests.unit.reporting.measured import (
    MEASURED,
    classified,
    hostile_sections,
    modelled,
    numbered,
    tagged,
    written,
)
from tests.unit.reporting.parsed_page import Page

LINKS = Links("", "")


@cache
def html_of(made: Callable[[], Evidence]) -> str:
    return render_page(made(), LINKS)


@cache
def page_of(made: Callable[[], Evidence]) -> Page:
    return Page(html_of(made))


@pytest.fixture(params=list(MEASURED))
def made(request: pytest.FixtureRequest) -> Callable[[], Evidence]:
    return MEASURED[request.param]


@pytest.fixture
def evidence(made: Callable[[], Evidence]) -> Evidence:
    return made()


@pytest.fixture
def parsed(made: Callable[[], Evidence]) -> Page:
    return page_of(made)


def shown_by_name(evidence: Evidence) -> Iterator[Estimate]:
    """All estimates that have a row of their own, under their name."""
    for estimate in (*evidence.scores.estimates, *evidence.fairness.estimates):
        family, _, rest = estimate.name.partition(".")
        is_of_class = family == "quality" and "." in rest
        elsewhere = ("_gap", "calibration_error", "_auc.", "_aeg.", "counterfactual.")
        if not is_of_class and not any(part in estimate.name for part in elsewhere):
            yield estimate


def test_numbers_on_the_page_are_the_records(evidence: Evidence, parsed: Page) -> None:
    assert parsed.open == []
    seen = 0
    for estimate in shown_by_name(evidence):
        row = parsed.titled[estimate.name]
        if estimate.value is None:
            assert estimate.reason in row[1]
            continue
        assert row[1:3] == [number(estimate.value), interval(estimate.low, estimate.high)]
        assert row[4] == count(estimate.n)
        seen += 1
    assert seen >= 10


def test_each_page_is_well_formed_and_reads_without_pictures(parsed: Page) -> None:
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    links = {attrs["href"] or "" for tag, attrs in parsed.tags if tag == "a"}
    assert {link[1:] for link in links} <= set(ids)
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.match(r"h\d$", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for tag, attrs in parsed.tags:
        if tag == "svg":
            assert attrs.get("aria-hidden") or attrs.get("aria-label") or attrs["aria-labelledby"]


def test_claims_stand_with_their_reasons(evidence: Evidence, parsed: Page) -> None:
    claims = [claim for one in evidence.scores.comparisons for claim in one.claims]
    assert len(claims) >= 4
    for comparison in evidence.scores.comparisons:
        for claim in comparison.claims:
            assert f"{claim.reason}." in parsed.text
            assert f"{words_of(comparison.metric)}, {claim.kind}" in parsed.text


def test_a_claim_is_said_as_it_was_judged() -> None:
    text = page_of(modelled).text
    (better, no_worse) = next(
        one.claims for one in modelled().scores.comparisons if one.comparator == "champion"
    )
    assert (better.verdict, no_worse.verdict) == (Verdict.PASS, Verdict.PASS)
    assert "✓ better bits per byte, superiority: the candidate is better" in text
    assert "✓ not worse bits per byte, non-inferiority, margin 0.02: the candidate" in text
    assert "bits per byte lower is better" in text
    assert "bits per byte gain lower is better" not in text
    undecided = page_of(written).text
    assert "? undetermined chrF, superiority: these rows cannot tell" in undecided
    assert "more test rows would probably settle it" in undecided


def test_every_slice_has_its_row_and_the_worst_found_come_first(
    evidence: Evidence, parsed: Page
) -> None:
    assert evidence.scores.slices
    for one in evidence.scores.slices:
        starts = [one.description, count(one.rows), number(one.score)]
        row = next(row for row in parsed.rows if row[:3] == starts)
        span = "" if one.gap.value is None else interval(one.gap.low, one.gap.high)
        assert number(one.gap.value) + span in row
        assert ("undetermined" in row[-1]) == (one.p_adjusted is None)
    if any(one.origin == "search" for one in evidence.scores.slices):
        assert parsed.text.index("Worst slices found") < parsed.text.index("Slices by property")


def test_every_group_has_its_row(evidence: Evidence, parsed: Page) -> None:
    assert {(group.attribute, group.group) for group in evidence.fairness.groups} == {
        *(("gender", group) for group in ("female", "male")),
        *(("gender_exclusive", cell) for cell in ("female", "male", "several", "none")),
    }
    assert "gaps look smaller: see gender_exclusive." in parsed.text
    assert "Each row is in one cell: of one group alone" in parsed.text
    of = "accuracy" if evidence.scores.confusion else "row score"
    assert f"{of} gap, 95% interval" in parsed.text
    for group in evidence.fairness.groups:
        row = parsed.row(group.group, count(group.rows))
        assert row[2] == number(group.metrics[of.replace(" ", "_")])
        gap = group.accuracy_gap
        assert row[4] == number(gap.value) + interval(gap.low, gap.high)
        for own in group.estimates:
            if own.value is not None:
                assert number(own.value) in parsed.titled[own.name]


def test_rankings_and_swaps_are_the_records() -> None:
    fairness = classified().fairness
    html = html_of(classified)
    parsed = page_of(classified)
    assert len(fairness.aucs) == 2 + 4
    for auc in fairness.aucs:
        rows = [
            row
            for row in parsed.rows
            if row[0].split() == [auc.group, auc.attribute] and row[1] == auc.label
        ]
        three = (auc.subgroup_auc, auc.bpsn_auc, auc.bnsp_auc)
        assert [row[4] for row in rows] == [
            number(e.value) + interval(e.low, e.high) for e in three
        ]
        assert number(auc.positive_aeg.value) in rows[1][6]
        assert "above 0, the group's rows of that class are scored higher" in parsed.text
        assert "Treatment equality compares between groups" in parsed.text
        assert "CDDPL is a group's share of the rows" in parsed.text
        assert number(auc.negative_aeg.value) in rows[2][6]
    (family,) = fairness.counterfactuals
    rows = [row for row in parsed.rows if row[0] == family.name and row[1] == family.kind]
    assert [row[4] for row in rows] == [
        number(e.value) + interval(e.low, e.high)
        for e in (family.flip_rate, family.score_shift, family.largest_shift)
    ]
    (flip,) = fairness.flips
    assert flip.text_after in parsed.text
    assert "<b>rain" not in html


def test_texts_of_rows_and_settings_bring_no_markup() -> None:
    spoilt = hostile_sections(classified())
    html = render_page(spoilt, LINKS)
    assert Page(html).open == []
    assert "<script" not in html
    assert Page(html).text.count("<script>alert('x')</script>") > 30
    for text in (render_card(spoilt), short_card(spoilt, "http://mlflow.example")):
        assert "<script" not in text
        assert re.search(r"(?<!\\)\[a\]\(", text.replace("`", "")) is None


def test_no_swaps_no_section() -> None:
    for kind in (tagged, written):
        text = page_of(kind).text
        assert "Counterfactuals" not in text
        assert "Ranking within" not in text


def test_a_task_type_without_classes_has_no_such_sections() -> None:
    for kind in (tagged, written, modelled, numbered):
        text = page_of(kind).text
        for words in ("Confusion", "Calibration", "misclassified"):
            assert words not in text
    assert "Per class" in page_of(tagged).text
    assert "Per class" not in page_of(written).text


def test_bare_records_of_a_task_type_without_classes_give_a_page_too() -> None:
    evidence = tagged()
    bare = replace(
        evidence,
        weights=replace(evidence.weights, epochs=(), curve=()),
        scores=replace(evidence.scores, estimates=(), comparisons=(), slices=()),
        fairness=replace(evidence.fairness, groups=(), estimates=()),
        judgement=replace(evidence.judgement, gates=()),
    )
    text = Page(render_page(bare, LINKS)).text
    for words in ("No overall quality", "Nothing was measured per class", "No slice was measured"):
        assert words in text
    assert "No slice was measured." in render_card(bare)


def test_each_tag_type_has_its_own_numbers() -> None:
    parsed = page_of(tagged)
    by_name = {estimate.name: estimate for estimate in tagged().scores.estimates}
    for label in ("PER", "PLACE"):
        row = parsed.row(label)
        for column, metric in enumerate(("f1", "precision", "recall"), start=1):
            found = by_name[f"quality.entity_{metric}.{label}"]
            assert row[column] == number(found.value) + interval(found.low, found.high)


def test_curves_by_step_are_drawn_and_described() -> None:
    html = html_of(written)
    assert html.count("<polyline") == 3
    first, last = written().weights.curve[0], written().weights.curve[-1]
    for name in ("loss", "learning_rate", "grad_norm"):
        words = f"From step {first.step}: {number(getattr(first, name))} to step {last.step}: "
        assert words + number(getattr(last, name)) in html
    assert "perplexity" in Page(html).text


def test_the_card_says_what_the_task_type_is_for(evidence: Evidence) -> None:
    card = ModelCard(render_card(evidence))
    purpose = card_texts_of(evidence.data.task_type)
    assert card.data.pipeline_tag == purpose.hub_task
    assert purpose.does in card.text
    assert call_of(evidence.data.task_type, purpose) in card.text
    measured = {
        estimate.value
        for estimate in evidence.scores.estimates
        if estimate.name.startswith("quality.") and estimate.name.count(".") == 1
    } - {None}
    assert {result.metric_value for result in card.data.eval_results} == measured


def test_every_line_of_the_card_with_a_number_names_its_artifact(evidence: Evidence) -> None:
    known = {source.cited for source in sources_of(evidence).values()}
    body = render_card(evidence).split("---\n", 2)[2]
    claims = body[body.index("## What it is") : body.index("## Evidence")]
    claims = re.sub(r"```.*?```", "", claims, flags=re.DOTALL)
    for line in claims.splitlines():
        cites = re.findall(r"\w+ [0-9a-f]{12}\b", line)
        assert set(cites) <= known
        if re.search(r"\d", re.sub("F1|p95|Holm", "", line)):
            assert cites, line


def test_the_short_card_leads_with_the_metric_that_rivals_are_compared_in() -> None:
    assert "| chrF |" in short_card(written(), "http://mlflow.example")
    assert "| bits per byte |" in short_card(modelled(), "http://mlflow.example")


def test_tables_of_the_prefect_run() -> None:
    scores = classified().scores
    table = calibration_markdown(scores).splitlines()
    assert len(table) == 2 + len(scores.calibration)
    confidence, accuracy, rows = scores.calibration[-1]
    assert table[-1] == f"| {number(confidence)} | {number(accuracy)} | {count(rows)} |"
    assert len(confusion_markdown(scores).splitlines()) == 2 + len(scores.labels)
    assert "| gender | n | row score | row score gap |" in groups_markdown(written().fairness)


def comparison_of_another_gain(evidence: Evidence) -> Evidence:
    first, *others = evidence.scores.comparisons
    better = replace(first, gain=replace(first.gain, value=0.5))
    return replace(evidence, scores=replace(evidence.scores, comparisons=(better, *others)))


def comparison_with_nobody(evidence: Evidence) -> Evidence:
    return replace(evidence, scores=replace(evidence.scores, champion_version=None))


def claim_without_a_gain(evidence: Evidence) -> Evidence:
    first, *others = evidence.scores.comparisons
    nothing = Estimate(first.gain.name, None, 0, method="none", reason="gone")
    claims = (Claim("superiority", 0.0, Verdict.PASS, "it is better", None),)
    bold = replace(first, gain=nothing, claims=claims)
    return replace(evidence, scores=replace(evidence.scores, comparisons=(bold, *others)))


def better_slice(evidence: Evidence) -> Evidence:
    first, *others = evidence.scores.slices
    better = replace(first, gap=replace(first.gap, value=0.5))
    return replace(evidence, scores=replace(evidence.scores, slices=(better, *others)))


def better_ranking(evidence: Evidence) -> Evidence:
    first, *others = evidence.fairness.aucs
    better = replace(first, bpsn_auc=replace(first.bpsn_auc, value=1.0))
    return replace(evidence, fairness=replace(evidence.fairness, aucs=(better, *others)))


def fewer_flips(evidence: Evidence) -> Evidence:
    (family,) = evidence.fairness.counterfactuals
    fewer = replace(family, flip_rate=replace(family.flip_rate, value=0.0))
    return replace(evidence, fairness=replace(evidence.fairness, counterfactuals=(fewer,)))


def flip_of_nothing(evidence: Evidence) -> Evidence:
    flip = Flip("e" * 64, "religion", "a", "b", "x", "y", 0.5)
    return replace(evidence, fairness=replace(evidence.fairness, flips=(flip,)))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (comparison_of_another_gain, "claims a gain of 0.5, which no record holds"),
        (comparison_with_nobody, "the comparison with the champion in macro_f1 has no champion"),
        (claim_without_a_gain, "claims superiority without a gain"),
        (better_slice, "claims slice.characters.q1.score_gap 0.5, which no record holds"),
        (better_ranking, r"claims fairness.gender.bpsn_auc"),
        (fewer_flips, "claims counterfactual.gender.flip_rate 0.0, which no record holds"),
        (flip_of_nothing, "flips in 'religion', which nothing measured"),
    ],
)
def test_a_claim_without_its_number_is_refused(
    spoil: Callable[[Evidence], Evidence], words: str
) -> None:
    with pytest.raises(EvidenceError, match=re.escape(words)):
        render_card(spoil(classified()))


def test_a_task_type_that_nobody_describes_is_refused() -> None:
    found = replace(written(), data=replace(written().data, task_type="sorting"))
    with pytest.raises(EvidenceError, match="is not described: task_type 'sorting' is unknown"):
        render_card(found)


def test_every_task_type_is_described_and_asked_as_it_is_served() -> None:
    for name in MODEL_CARDS.names:
        purpose = card_texts_of(name)
        assert purpose.is_pipeline == (server_of(name).pipeline is not None)
        assert bool(purpose.classes) == (shape_of(name).label_column is not None)
        assert "model.predict(" in call_of(name, purpose)
