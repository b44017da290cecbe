"""What is known of the labels, and slices that claim too much, as report and card show them."""

from dataclasses import replace

import pytest

from tasks.records.evaluation import SliceCalibration
from tasks.records.label_checks import (
    LabelChecks,
    LabelErrors,
    LabelPredictor,
    LabelSuspect,
    SpuriousCorrelation,
)
from tasks.records.split_shift import SplitShift, SplitShifts
from tasks.reporting.card import render_card
from tasks.reporting.evidence import Evidence
from tasks.reporting.page import Links, render_page
from tasks.verdicts import Verdict, undetermined
from tests.unit.reporting.conftest import artifact, estimate
from tests.unit.reporting.parsed_page import Page

LINKS = Links("", "")
CORRELATION = estimate("labels.spurious_correlation", 0.82, 0.05)
WARNED = LabelPredictor(
    feature="word medal", absent=False, label="sport", rows=60, with_label=58, label_rows=100,
    correlation=CORRELATION, information=estimate("labels.information", 1.5, 0.2, high=9),
    accuracy=0.71, finding="warning",
)  # fmt: skip
SHARE = estimate("labels.error_share", 0.04, 0.01, 1_000)
SUSPECT = LabelSuspect("d" * 64, "test", "tech", "sport", 0.02, "both", "won <b>gold</b>")
CHECKS = LabelChecks(
    1_000,
    2_000,
    SpuriousCorrelation(
        (WARNED, replace(WARNED, feature="length q4", absent=True, finding="")),
        CORRELATION, 0.41, 3_000,
    ),
    LabelErrors(
        artifact("suspects", 99, ".parquet"), 1_000, 40, {"tech": 40}, (SUSPECT,), (SHARE,)
    ),
)  # fmt: skip


@pytest.fixture
def looked_at(passed: Evidence) -> Evidence:
    """With labels that were checked, a split unlike the training rows, and calibration by slice."""
    assert passed.drift
    checks = tuple(
        replace(check, name=check.name.replace("drift.", "shift.test."))
        for check in passed.drift.checks
    )
    by_slice = (
        SliceCalibration("", 439, 0.93, 0.9, estimate("overconfidence", 0.03, 0.005), 2),
        SliceCalibration("length.q1", 9, None, None, undetermined("o", 9, "9 rows of 30"), 2),
    )
    return replace(
        passed,
        scores=replace(passed.scores, label_checks=CHECKS, calibration_by_slice=by_slice),
        shifts=SplitShifts((SplitShift("test", checks, {}, Verdict.FAIL),)),
    )


def test_the_report_shows_labels_and_slices_that_claim_too_much(looked_at: Evidence) -> None:
    page = Page(render_page(looked_at, LINKS))
    assert page.open == []
    medal = next(row for row in page.rows if row[0] == "word medal")
    assert medal[1:5] == ["sport", "96.7% of 60", "58.0% of 100", "0.7100"]
    assert medal[-1].endswith("warning")
    assert "won <b>gold</b>" in page.text
    assert "40 of 1,000 rows have a label" in page.text
    assert next(row for row in page.rows if row[0] == "all test rows")[-1] == "▲ overconfident"
    assert next(row for row in page.rows if row[0] == "length.q1")[-1].endswith("9 rows of 30")


def test_the_card_says_what_is_to_be_known_of_labels_and_splits(looked_at: Evidence) -> None:
    card = render_card(looked_at)
    assert "word medal predicts the label sport alone: correlation 0.8200" in card
    assert "length q4" not in card  # nothing is found of it
    assert "40 of 1,000 rows have a label that looks wrong" in card
    assert "test: label shares 0.2137 (unlike the training rows" in card


def test_what_was_not_looked_for_is_not_claimed(looked_at: Evidence) -> None:
    none = LabelErrors(None, 0, 0, {}, (), (), "rows have several labels")
    checks = replace(CHECKS, errors=none)
    silent = replace(looked_at, scores=replace(looked_at.scores, label_checks=checks))
    assert "looks wrong" not in render_card(silent)
    assert "Not looked for: rows have several labels." in Page(render_page(silent, LINKS)).text
