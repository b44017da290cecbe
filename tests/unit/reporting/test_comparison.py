"""The section on other models: whom the candidate was held against, and on which rows."""

from dataclasses import replace

import pytest

from tasks.records.compression import Compression
from tasks.records.evaluation import ComparedVersion, Comparison
from tasks.records.metric_names import mlflow_metric
from tasks.reporting.card import render_card, render_model_readme
from tasks.reporting.claims import unsupported_claims
from tasks.reporting.comparison import ANCHOR_IS_CHAMPION, rivals_of, versus
from tasks.reporting.evidence import Evidence
from tasks.reporting.page import Links, render_page
from tests.unit.reporting.conftest import build_evidence, estimate

NOTE = "72 of the 120 test rows are left out of the comparison with version 3 of films; 48 are left"


@pytest.fixture
def evidence() -> Evidence:
    return build_evidence(passing=True)


def test_an_anchor_of_its_own_has_its_numbers_and_the_champion_its_rows(evidence: Evidence) -> None:
    scores = replace(
        evidence.scores,
        anchor_version=1,
        estimates=(
            *evidence.scores.estimates,
            estimate("anchor.macro_f1", 0.96, 0.02),
            estimate("anchor.macro_f1_gain", 0.01, 0.02),
            estimate("anchor.macro_f1_ratio", 1.01, 0.02, high=2),
            estimate("champion.macro_f1", 0.95, 0.02, 48),
            estimate("champion.candidate.macro_f1", 0.94, 0.02, 48),
        ),
        versions=(
            ComparedVersion("champion", 3, 48, 72, NOTE),
            ComparedVersion("anchor", 1, 120),
        ),
    )
    anchor, champion = versus("anchor", scores), versus("champion", scores)
    assert (anchor.version, anchor.notes) == (1, ())
    names = [[row.metric for row in table.rows] for table in anchor.tables]
    assert names[:2] == [["anchor.macro_f1_gain"], ["anchor.macro_f1_ratio"]]
    assert names[2:] == [["quality.macro_f1", "anchor.macro_f1"]]
    assert champion.notes == (f"{NOTE}.",)
    levels = [row.metric for row in champion.tables[-1].rows]
    assert levels == ["champion.candidate.macro_f1", "champion.macro_f1"]


def test_an_anchor_that_is_the_champion_is_shown_once(evidence: Evidence) -> None:
    scores = replace(evidence.scores, anchor_version=evidence.scores.champion_version)
    shown = versus("anchor", scores)
    assert (shown.tables, shown.claims, shown.notes) == ([], [], (ANCHOR_IS_CHAMPION,))


def test_a_first_run_has_neither(evidence: Evidence) -> None:
    scores = replace(evidence.scores, champion_version=None, champion_note="none yet", estimates=())
    assert versus("champion", scores).notes == ("No comparison: none yet.",)
    assert versus("anchor", scores).notes == ("No comparison: no version was ever in production.",)
    assert versus("baseline", scores).notes == ("No baseline was measured.",)


def test_a_comparison_with_an_anchor_that_there_is_not_is_no_evidence(evidence: Evidence) -> None:
    gain = estimate("anchor.macro_f1_gain", 0.01, 0.02)
    scores = replace(
        evidence.scores,
        estimates=(*evidence.scores.estimates, gain),
        comparisons=(Comparison("anchor", "macro_f1", gain, "", None, None, ()),),
    )
    what = "the comparison with the anchor in macro_f1"
    assert list(unsupported_claims(scores, evidence.fairness)) == [f"{what} has no anchor"]
    held = replace(scores, anchor_version=1)
    assert not list(unsupported_claims(held, evidence.fairness))


def taught(evidence: Evidence, reason: str = "") -> Evidence:
    """The candidate as a student of another line's version."""
    gain = estimate("teacher.macro_f1_gain", -0.01, 0.02)
    rows = 0 if reason else 120
    scores = replace(
        evidence.scores,
        estimates=(
            *evidence.scores.estimates,
            gain,
            estimate("teacher.macro_f1", 0.95, 0.02),
            estimate("teacher.agreement", 0.93, 0.03),
            estimate("teacher.size_share", 0.5, 0.0),
        ),
        versions=(
            *evidence.scores.versions,
            ComparedVersion("teacher", 4, rows, reason=reason, name="version 4 of films-large"),
        ),
        comparisons=(Comparison("teacher", "macro_f1", gain, "", None, None, ()),),
        timed=(estimate("teacher.speed_up", 1.9, 0.1, 9, high=9),),
    )
    return replace(evidence, scores=scores)


def test_a_student_stands_beside_its_teacher(evidence: Evidence) -> None:
    scores = taught(evidence).scores
    assert rivals_of(scores) == ("champion", "anchor", "baseline", "teacher")
    assert rivals_of(evidence.scores) == ("champion", "anchor", "baseline")
    shown = versus("teacher", scores)
    assert (shown.name, shown.notes) == ("version 4 of films-large", ())
    names = [row.metric for table in shown.tables for row in table.rows]
    assert names[:3] == ["teacher.macro_f1_gain", "quality.macro_f1", "teacher.macro_f1"]
    assert set(names[3:]) == {"teacher.agreement", "teacher.size_share", "teacher.speed_up"}
    silent = versus("teacher", taught(evidence, "its rows are gone").scores)
    assert silent.notes == ("No comparison: its rows are gone.",)
    assert not list(unsupported_claims(scores, evidence.fairness))
    unnamed = replace(scores, versions=())
    assert list(unsupported_claims(unnamed, evidence.fairness)) == [
        "the comparison with the teacher in macro_f1 has no teacher"
    ]


def test_page_and_card_name_the_teacher_and_its_numbers(evidence: Evidence) -> None:
    page = render_page(taught(evidence), Links("", ""))
    card = render_card(taught(evidence))
    assert "With the teacher, version 4 of films-large" in page
    assert "whom the candidate learned from" in page
    assert "from its teacher, version 4 of films-large" in card
    for metric in ("teacher.agreement", "teacher.speed_up", "teacher.size_share"):
        assert metric in page
        assert metric in card
    assert "teacher" not in render_card(evidence)


def compressed(evidence: Evidence) -> Evidence:
    """The candidate as one that was compressed, beside what it was before."""
    gain = estimate("uncompressed.macro_f1_gain", -0.004, 0.004)
    scores = replace(
        evidence.scores,
        estimates=(
            *evidence.scores.estimates,
            gain,
            estimate("uncompressed.macro_f1", 0.95, 0.02),
            estimate("uncompressed.agreement", 0.99, 0.005),
            estimate("uncompressed.slice.length.q1.row_score_gain", -0.02, 0.01),
        ),
        versions=(
            *evidence.scores.versions,
            ComparedVersion("uncompressed", 0, 200, name="the model before compression"),
        ),
        comparisons=(Comparison("uncompressed", "macro_f1", gain, "", None, None, ()),),
        timed=(estimate("uncompressed.speed_up", 1.9, 0.1, 9, high=9),),
    )
    worst = estimate("uncompressed.gender.worst_group_row_score_gain", -0.05, 0.04)
    fairness = replace(evidence.fairness, estimates=(*evidence.fairness.estimates, worst))
    told = Compression("onnx_int8", "9" * 64, 90_000_000, 59_000_000, 1e-7, 0.01)
    weights = replace(evidence.weights, compression=told)
    return replace(evidence, scores=scores, fairness=fairness, weights=weights)


def test_a_compressed_model_stands_beside_what_it_was(evidence: Evidence) -> None:
    made = compressed(evidence)
    page, card = render_page(made, Links("", "")), render_card(made)
    assert "With the model before compression" in page
    assert "macro F1, model before compression" in page
    assert "onnx_int8: 59.00 MB, was 90.00 MB" in page
    assert "It was compressed after training (`onnx_int8`): 59,000,000 bytes" in card
    for metric in (
        "uncompressed.macro_f1_gain", "uncompressed.agreement", "uncompressed.speed_up",
        "uncompressed.gender.worst_group_row_score_gain",
        "uncompressed.slice.length.q1.row_score_gain",
    ):  # fmt: skip
        assert metric in page
    assert "uncompressed.gender.worst_group_row_score_gain" in card
    assert "learned from" not in card
    assert "compress" not in render_card(evidence)
    assert not list(unsupported_claims(made.scores, made.fairness))
    unnamed = replace(made.scores, versions=())
    assert list(unsupported_claims(unnamed, made.fairness)) == [
        "the comparison with the uncompressed in macro_f1 has no model before compression"
    ]


def test_the_folder_of_a_compressed_model_says_what_reads_it(evidence: Evidence) -> None:
    made = compressed(evidence)
    said = [
        render_model_readme(one.line, one.data, one.base_model, one.weights, one.scores, one.card)
        for one in (made, evidence)
    ]
    assert "onnxruntime.InferenceSession" in said[0]
    assert "AutoModel" not in said[0]
    assert "AutoModel.from_pretrained" in said[1]
    assert "onnx" not in said[1]


def test_a_slice_of_what_compression_costs_is_no_metric_in_mlflow() -> None:
    assert mlflow_metric("uncompressed.slice.length.q1.row_score_gain") is None
    assert mlflow_metric("uncompressed.size_share") == "test_uncompressed_size_share"
