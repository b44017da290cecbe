"""The page of a canary says what its looks say, and its charts hold what they show."""

import re
from itertools import pairwise

from tasks.records.canary import CanaryLook, CanaryStep, SequencePoint
from tasks.reporting.canary_page import render_canary_page, sequences_of
from tasks.verdicts import GateResult, Verdict
from tests.unit.reporting.parsed_page import Page

STEP = CanaryStep(
    "bbc-news", 8, "c" * 64, 7, 2, 0.05, "2026-03-02T05:20:00+00:00", "2026-03-02T04:20:00+00:00",
    "s3://artifacts/ledger/bbc-news/00000012-abcdef01.json",
)  # fmt: skip
FAILURES = GateResult(
    "canary.failure_increase", "at most 0.01", 0.002, -0.004, 0.0086, 0.9944, 900, Verdict.PASS,
    "all of [-0.004, 0.0086] is at most 0.01",
)  # fmt: skip
QUALITY = GateResult(
    "canary.quality_loss", "at most 0.02", None, None, None, 0.9944, 0, Verdict.UNDETERMINED,
    "no labels have come for requests of <both> versions yet",
)  # fmt: skip
POINTS = (
    SequencePoint("2026-03-02T05:30:00+00:00", FAILURES.metric, (40, 3), 0.1, -0.4, 0.8),
    SequencePoint("2026-03-02T06:00:00+00:00", FAILURES.metric, (4_000, 300), 0.0, -0.02, 0.03),
    SequencePoint(
        "2026-03-02T07:00:00+00:00", FAILURES.metric, (9_000, 900), 0.002, -0.004, 0.0086
    ),
)
LOOK = CanaryLook(
    STEP, (9_000, 900), (FAILURES, QUALITY), Verdict.UNDETERMINED,
    "0.5 of 1 hours have passed", "2026-03-02T07:10:00+00:00", POINTS,
)  # fmt: skip
BEFORE = CanaryLook(
    CanaryStep("bbc-news", 8, "c" * 64, 7, 1, 0.0, STEP.started, STEP.started, "s3://ledger/11"),
    (2_000, 1_900), (FAILURES,), Verdict.PASS, "all gates pass", STEP.since,
)  # fmt: skip


def test_the_page_is_well_formed_and_says_what_the_looks_say() -> None:
    page = Page(render_canary_page(LOOK, [BEFORE]))
    assert page.open == []
    levels = [int(tag[1]) for tag, _ in page.tags if re.match(r"h\d$", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for said in (
        "Not decided yet", LOOK.reason, "all of [-0.004, 0.0086] is at most 0.01",
        "requests of <both> versions", "answers 5% of the requests", "900 requests put to the",
        "asked behind production's back (shadow)", BEFORE.reason, STEP.ledger_uri, "c" * 64,
        "since 2026-03-02 05:20 UTC", "Looked at 2026-03-02 07:10 UTC",
    ):  # fmt: skip
        assert said in page.text, said
    assert page.text.index(LOOK.reason) < page.text.index(BEFORE.reason)
    assert render_canary_page(LOOK, [BEFORE]) == render_canary_page(LOOK, [BEFORE])


def test_a_chart_shows_where_a_sequence_comes_to() -> None:
    """The first ends, which are as wide as can be, are cut; the limit and the last ends are not."""
    (chart,) = sequences_of(LOOK)
    assert [mark.verdict for mark in chart.marks] == ["undetermined", "undetermined", "pass"]
    assert all(0 <= place <= 100 for mark in chart.marks for place in (mark.x, mark.y, mark.low))
    assert chart.marks[0].high == 0
    last = chart.marks[-1]
    assert chart.limit is not None
    assert 0 < chart.limit < last.high < last.y < last.low < 100
    assert "900 requests of the candidate" in last.described


def test_a_look_at_nothing_has_a_page() -> None:
    nothing = CanaryLook(STEP, (0, 0), (), Verdict.UNDETERMINED, "it began just now", LOOK.at)
    assert "Nothing is known yet." in Page(render_canary_page(nothing)).text
