"""The HTML report: what it says is what the records say, and it stands alone."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tasks.records.metric_names import mlflow_metric
from tasks.reporting import page as page_module
from tasks.reporting.evidence import Evidence, sources_of
from tasks.reporting.number_format import count, interval, number
from tasks.reporting.page import Links, render_page
from tasks.verdicts import Verdict, exact, undetermined
from tests.unit.reporting.parsed_page import Page

LINKS = Links("http://mlflow.example/#/models/bbc-news/versions/4", "http://mlflow.example/docs")


def test_the_page_is_well_formed(refused: Evidence, passed: Evidence, escaped: Evidence) -> None:
    for evidence in (refused, passed, escaped):
        parsed = Page(render_page(evidence, LINKS))
        assert parsed.open == []
        ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
        assert len(set(ids)) == len(ids)
        linked = {attrs["href"] for tag, attrs in parsed.tags if tag == "a"}
        assert {link[1:] for link in linked if link and link.startswith("#")} <= set(ids)


def test_headings_do_not_skip_a_level(passed: Evidence) -> None:
    levels = [
        int(tag[1]) for tag, _ in Page(render_page(passed, LINKS)).tags if re.match(r"h\d$", tag)
    ]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_same_records_give_the_same_bytes(refused: Evidence) -> None:
    first = render_page(refused, LINKS)
    page_module._environment.cache_clear()
    assert render_page(refused, LINKS) == first


def test_the_verdict_and_what_stands_in_its_way_come_first(refused: Evidence) -> None:
    text = Page(render_page(refused, LINKS)).text
    verdict = text.index(
        "bbc-news version 4 does not earn production: 2 of 6 gates are undetermined."
    )
    for gate in refused.judgement.gates:
        if gate.verdict is not Verdict.PASS:
            assert verdict < text.index(gate.reason) < text.index("A gate passes when")


def test_that_fairness_was_not_gated_stands_in_the_head(passed: Evidence) -> None:
    why = "the rows are about <stones>"
    silent = replace(passed, judgement=replace(passed.judgement, fairness_not_gated=why))
    text = Page(render_page(silent, LINKS)).text
    head = text.index("gates pass, and fairness was not gated.")
    assert head < text.index(f"Fairness was not gated: {why}.") < text.index("A gate passes when")
    assert "was not gated" not in Page(render_page(passed, LINKS)).text


def test_every_gate_stands_in_the_table(passed: Evidence) -> None:
    parsed = Page(render_page(passed, LINKS))
    for gate in passed.judgement.gates:
        row = next(r for r in parsed.rows if len(r) == 7 and r[1].endswith(gate.metric))
        assert number(gate.value) in row[2]
        assert interval(gate.low, gate.high) in row[3]
        assert gate.rule in row[4]
        assert row[5].strip() == str(gate.n)
        assert row[6] == gate.reason


def test_per_class_numbers_are_the_records(refused: Evidence) -> None:
    parsed = Page(render_page(refused, LINKS))
    by_name = {e.name: e for e in refused.scores.estimates}
    for index, label in enumerate(refused.scores.labels):
        row = parsed.row(label, str(sum(refused.scores.confusion[index])))
        for column, metric in enumerate(("precision", "recall", "f1"), start=2):
            found = by_name[f"quality.{metric}.{label}"]
            assert row[column] == number(found.value) + interval(found.low, found.high)


def test_names_that_mlflow_does_not_admit_are_told_with_those_it_has(passed: Evidence) -> None:
    assert "Names in MLflow that differ" not in Page(render_page(passed, LINKS)).text
    named = exact("quality.f1.https://example.org/<b>", 0.25, 4)
    estimates = (*passed.scores.estimates, named, replace(named, name="slice.a.https://b//c"))
    renamed = replace(passed, scores=replace(passed.scores, estimates=estimates))
    parsed = Page(render_page(renamed, LINKS))
    assert "Names in MLflow that differ (1)" in parsed.text
    assert parsed.row(named.name, str(mlflow_metric(named.name)))


def test_the_confusion_matrix_is_the_records(refused: Evidence) -> None:
    parsed = Page(render_page(refused, LINKS))
    heads = next(row for row in parsed.rows if row[1:] == list(refused.scores.labels))
    start = parsed.rows.index(heads)
    for offset, line in enumerate(refused.scores.confusion, start=1):
        cells = parsed.rows[start + offset][1:]
        total = sum(line)
        assert cells == [f"{rows}{100 * rows / total:.1f}%" for rows in line]


def test_every_group_has_a_row_and_the_undetermined_say_why(refused: Evidence) -> None:
    parsed = Page(render_page(refused, LINKS))
    for group in refused.fairness.groups:
        row = parsed.row(group.group, count(group.rows))
        assert row[2] == number(group.metrics["accuracy"])
        assert number(group.accuracy_gap.value) in row[4]
        if group.p_adjusted is None:
            assert f"undetermined: {group.reason}" in row[6]
    undecided = [e for e in refused.fairness.estimates if e.value is None]
    assert undecided
    assert all(e.reason in parsed.text for e in undecided)


def test_epochs_calibration_and_staging_are_the_records(passed: Evidence) -> None:
    parsed = Page(render_page(passed, LINKS))
    for epoch in passed.weights.epochs:
        kept = " (kept)" if epoch.number == passed.weights.best_epoch else ""
        row = parsed.row(f"{epoch.number}{kept}", number(epoch.train_loss))
        assert row[2] == number(epoch.validation_loss)
    for confidence, accuracy, rows in passed.scores.calibration:
        assert parsed.row(number(confidence), number(accuracy), count(rows))
    assert passed.staged
    for estimate in passed.staged.estimates:
        assert number(estimate.value) in parsed.text
    assert "mlflow==3.17.2" in parsed.text


def test_every_address_and_digest_stands_on_the_page(passed: Evidence) -> None:
    text = Page(render_page(passed, LINKS)).text
    for source in sources_of(passed).values():
        assert source.sha256 in text
        assert source.address in text
    assert passed.data.docs_uri in text


def test_nothing_is_loaded_and_nothing_runs(escaped: Evidence, passed: Evidence) -> None:
    for evidence in (escaped, passed):
        html = render_page(evidence, LINKS)
        parsed = Page(html)
        assert not {tag for tag, _ in parsed.tags} & {"script", "link", "img", "iframe", "object"}
        for _, attrs in parsed.tags:
            assert not {"src", "srcset", "data", "xlink:href", "action"} & set(attrs)
            assert not [name for name in attrs if name.startswith("on")]
        style = html[html.index("<style>") : html.index("</style>")]
        assert "url(" not in style
        assert "@import" not in style
        assert "default-src 'none'" in html


def test_names_are_escaped(escaped: Evidence) -> None:
    html = render_page(escaped, LINKS)
    assert "<script" not in html
    name = escaped.data.labels[0]
    assert name in Page(html).text
    assert Page(html).row(name)[0] == name


def test_links_lead_to_mlflow_only(refused: Evidence) -> None:
    parsed = Page(render_page(refused, LINKS))
    links = {attrs["href"] for tag, attrs in parsed.tags if tag == "a"}
    assert {link for link in links if link and not link.startswith("#")} == {
        LINKS.version, LINKS.data_docs,
    }  # fmt: skip


def test_a_champion_is_named_and_a_missing_one_explained(
    refused: Evidence, passed: Evidence
) -> None:
    assert "With the champion, version 3" in Page(render_page(passed, LINKS)).text
    text = Page(render_page(refused, LINKS)).text
    assert "No comparison: no version in production yet." in text
    assert "Not staged: only a candidate whose evidence passes" in text


def test_colour_is_never_the_only_sign(passed: Evidence, refused: Evidence) -> None:
    for evidence in (passed, refused):
        html = render_page(evidence, LINKS)
        for gate in evidence.judgement.gates:
            assert f"</span> {gate.verdict.value}</span>" in html


def test_a_chart_has_words(passed: Evidence) -> None:
    for tag, attrs in Page(render_page(passed, LINKS)).tags:
        if tag == "svg":
            assert attrs.get("aria-hidden") or attrs.get("aria-label") or attrs["aria-labelledby"]


def test_bare_records_give_a_page_too(refused: Evidence) -> None:
    bare = replace(
        refused,
        weights=replace(refused.weights, epochs=()),
        scores=replace(refused.scores, estimates=(), calibration=(), confusion=((0,) * 5,) * 5),
        fairness=replace(refused.fairness, groups=(), estimates=()),
        judgement=replace(refused.judgement, gates=(), notes=()),
    )
    text = Page(render_page(bare, Links("", ""))).text
    for words in (
        "no gate was judged", "No baseline was measured", "Nothing was measured per class",
        "No group was assessed", "No epoch was recorded", "No calibration was measured",
    ):  # fmt: skip
        assert words in text


def test_numbers_that_are_not_finite_are_said_and_not_drawn(refused: Evidence) -> None:
    nan = replace(refused.scores.estimates[0], value=float("nan"))
    scores = replace(refused.scores, estimates=(nan, *refused.scores.estimates[1:]))
    html = render_page(replace(refused, scores=scores), LINKS)
    assert "not finite" in html
    assert "nan%" not in html


def test_an_undetermined_class_says_why(refused: Evidence) -> None:
    reason = "no row is predicted as 'tech'"
    changed = tuple(
        undetermined(e.name, 0, reason) if e.name == "quality.precision.tech" else e
        for e in refused.scores.estimates
    )
    scores = replace(refused.scores, estimates=changed)
    row = Page(render_page(replace(refused, scores=scores), LINKS)).row("tech", "79")
    assert row[2] == f"? undetermined{reason}"


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_aa(scheme: str) -> None:
    css = (Path(page_module.__file__).parent / "report.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part))
        for part in css.split("* { box-sizing")[0].split("@media screen")
    )
    colours = light if scheme == "light" else light | dark
    text_on = [
        *[(name, ground) for name in ("ink", "soft", "accent") for ground in ("page", "surface")],
        *[(name, f"{name}-tint") for name in ("pass", "fail", "undetermined")],
        *[("surface", name) for name in ("pass", "fail", "undetermined")],
        *[("ink", name) for name in ("right", "wrong", "pass-tint", "fail-tint")],
    ]
    for text, ground in text_on:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for mark in ("s0", "s1", "s2", "s3", "accent"):
        assert contrast(colours[mark], colours["surface"]) >= 3, mark
