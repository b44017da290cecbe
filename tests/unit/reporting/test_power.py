"""How the power of the gates is written: on the report, the run's page and the console."""

from dataclasses import replace

import pytest

from flows.commands.power_tables import show_forecast, show_power
from tasks.power import power_of_gates
from tasks.records.power import WITHOUT_ERROR, GatePower, PowerForecast
from tasks.reporting.evidence import Evidence
from tasks.reporting.page import Links, render_page
from tasks.reporting.power import POWER_HEADS, forecast_markdown, power_markdown, power_row
from tasks.verdicts import Gate, undetermined
from tests.unit.reporting.parsed_page import Page
from tests.unit.test_power import normal

GATES = (
    Gate(metric="quality.macro_f1", at_least=0.9),
    Gate(metric="champion.macro_f1_gain", at_least=-0.02),
    Gate(metric="fairness.gender.accuracy_difference", at_most=0.1),
)
POWER = power_of_gates(
    GATES,
    [
        normal("quality.macro_f1", 0.95, 0.01, 625),
        normal("champion.macro_f1_gain", 0.001, 0.0105, 625),
        undetermined("fairness.gender.accuracy_difference", 12, "female has 12 rows of 30"),
    ],
    0.01,
)


def test_the_page_says_what_the_rows_can_decide(passed: Evidence) -> None:
    without = Page(render_page(passed, Links("", ""))).text
    assert "What these rows can decide" not in without
    judged = replace(passed.judgement, power=POWER)
    page = Page(render_page(replace(passed, judgement=judged), Links("", "")))
    assert "What these rows can decide" in page.text
    row = next(
        r for r in page.rows if r and r[0] == "macro F1 gain over the champion" and "%" in r[3]
    )
    assert row[1:4] == ["at least -0.02", "625", "48%at 0"]
    assert row[4].endswith("at 0.01000")
    assert row[5] == f"about {POWER[1].rows_for_equal:,}"
    assert "cannot be told female has 12 rows of 30" in " ".join(page.text.split())


def test_the_run_page_and_the_console_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    markdown = power_markdown(POWER)
    show_power(POWER)
    printed = capsys.readouterr().out
    assert "when as many rows are drawn anew" in printed
    for gate in GATES:
        assert gate.metric.replace("_", "\\_") in markdown
    for said in ("48%", f"about {POWER[1].rows_for_equal:,}", "female has 12 rows of 30"):
        assert said in markdown
    assert all(head in " ".join(printed.split()) for head in POWER_HEADS)
    show_power(())
    assert capsys.readouterr().out == ""


def test_a_forecast_begins_with_the_gates_that_nothing_passes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    warning = "quality.f1 (at least 0.9) can pass no candidate: 6 clusters"
    forecast = PowerForecast(POWER, (warning,), ("a margin of 0.02",))
    markdown = forecast_markdown(forecast)
    assert markdown.startswith("- ✗ quality.f1 (at least 0.9) can pass no candidate")
    assert markdown.index("48%") < markdown.index("a margin of 0.02")
    show_forecast(forecast)
    printed = capsys.readouterr().out
    for said in (warning, "taken for granted: a margin of 0.02", "48%"):
        assert said in " ".join(printed.split())
    show_forecast(None)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("told", "equal", "wanted"),
    [
        (GatePower("a.b", "", 9, 0.5, 0.9999, 0.6, 1.0, 4, 3), "> 99%", "about 4"),
        (GatePower("a.b", "", 9, 0.5, 0.001, 0.6, 0.3, None, 40), "< 1%", "about 40, if slightly"),
        (GatePower("a.b", "", 9, 0.5, 0.5, 0.6, 0.6), "50%", "no number of rows"),
        (GatePower("a.b", "", 9, 0.5, 1.0, 0.6, 1.0, basis=WITHOUT_ERROR), "> 99%", "exact"),
        (GatePower("a.b", "", 9, reason="too few rows"), "", "no number of rows"),
    ],
)
def test_a_probability_is_not_written_more_exactly_than_it_is_known(
    told: GatePower, equal: str, wanted: str
) -> None:
    row = power_row(told)
    assert row.equal == equal
    assert row.wanted.startswith(wanted)
    assert len(row.cells) == len(POWER_HEADS)
