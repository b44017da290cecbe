"""Golden sets and behaviour suites as the page and the card show them."""

from dataclasses import replace

import pytest

from tasks.records.golden import (
    FailedCase,
    FunctionalityResult,
    GoldenScores,
    GoldenSetScores,
)
from tasks.records.metric_names import mlflow_metric
from tasks.reporting.card import render_card
from tasks.reporting.evidence import Evidence, EvidenceError
from tasks.reporting.golden import golden_markdown
from tasks.reporting.page import Links, render_page
from tasks.resampling import estimate_of_proportion
from tasks.verdicts import Gate, judge, undetermined
from tests.unit.reporting.conftest import artifact
from tests.unit.reporting.parsed_page import Page

LINKS = Links("", "")
ACCURACY = estimate_of_proportion("golden.team.accuracy", 45, 60)
SILENT = undetermined("golden.team.accuracy_gain", 60, "no version in production yet")
NEGATION = estimate_of_proportion("behaviour.suite.negation.pass_rate", 3, 12)
PLAIN = estimate_of_proportion("behaviour.suite.plain.pass_rate", 12, 12)
WHOLE = estimate_of_proportion("behaviour.suite.pass_rate", 15, 24)


def scores() -> GoldenScores:
    case = FailedCase("This is <b>not</b> bad.", "good", "bad")
    results = (
        FunctionalityResult("negation", 12, NEGATION, None, (case,)),
        FunctionalityResult("plain", 12, PLAIN, None, ()),
    )
    note = "no version in production yet"
    return GoldenScores(
        (
            GoldenSetScores(
                "golden", "team", artifact("team", 9), 60, 2, (ACCURACY, SILENT), None, note
            ),
            GoldenSetScores(
                "behaviour", "suite", artifact("suite", 9), 24, 0, (WHOLE, NEGATION, PLAIN), None,
                note, (), results,
            ),
        )
    )  # fmt: skip


@pytest.fixture
def held_out(refused: Evidence) -> Evidence:
    golden = scores()
    gates = [
        Gate(metric="golden.team.accuracy", at_least=0.5),
        Gate(metric="behaviour.suite.negation.pass_rate", at_least=0.9),
    ]
    own = judge(gates, golden.estimates)
    judgement = replace(refused.judgement, gates=(*refused.judgement.gates, *own))
    return replace(refused, golden=golden, judgement=judgement)


def test_the_page_has_a_section_with_the_worst_first(held_out: Evidence) -> None:
    parsed = Page(render_page(held_out, LINKS))
    assert parsed.open == []
    text = parsed.text
    assert "Golden set team" in text
    assert "60 rows that the candidate did not learn from (2 exact duplicates left out)" in text
    assert "This is <b>not</b> bad." in text
    rows = [row[0] for row in parsed.rows]
    assert rows.index("negation") < rows.index("plain")
    negation = next(row for row in parsed.rows if row[0] == "negation")
    assert "0.2500" in " ".join(negation)
    assert any(row[1].endswith("golden.team.accuracy") for row in parsed.rows if len(row) == 7)


def test_the_run_page_lists_functionalities_worst_first() -> None:
    table = golden_markdown(scores())
    assert "### Golden set team" in table
    assert table.index("| negation | 0.2500 |") < table.index("| plain | 1.000 |")


def test_a_page_without_golden_sets_has_no_such_section(refused: Evidence) -> None:
    assert "Golden set" not in Page(render_page(refused, LINKS)).text


def test_the_card_says_what_each_number_comes_from(held_out: Evidence) -> None:
    card = render_card(held_out)
    assert "## Golden set team" in card
    line = next(line for line in card.splitlines() if "`golden.team.accuracy`" in line)
    assert f"golden team {artifact('team', 9).sha256[:12]}" in line
    gate = next(line for line in card.splitlines() if "fail" in line and "negation" in line)
    assert f"behaviour suite {artifact('suite', 9).sha256[:12]}" in gate


def test_a_gate_on_a_set_that_no_record_holds_is_refused(held_out: Evidence) -> None:
    with pytest.raises(EvidenceError, match=r"golden\.team\.accuracy claims"):
        render_page(replace(held_out, golden=None), LINKS)


def test_metrics_of_a_golden_set_are_no_metrics_of_the_test_rows() -> None:
    assert mlflow_metric("golden.team.macro_f1") == "golden_team_macro_f1"
    assert mlflow_metric("golden.team.slice.length.q1.score_gap") is None
    assert mlflow_metric("behaviour.suite.plain.pass_rate") == "behaviour_suite_plain_pass_rate"
