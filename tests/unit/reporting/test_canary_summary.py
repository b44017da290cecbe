"""What is shown of a look at a canary, and of what a run came to."""

from tasks.records.canary import CanaryLook, CanaryStep
from tasks.records.canary_outcome import CanaryOutcome, share_words
from tasks.reporting.canary_summary import look_markdown, outcome_markdown
from tasks.verdicts import GateResult, Verdict

STEP = CanaryStep(
    "bbc-news", 8, "c" * 64, 7, 2, 0.05, "2026-11-28T09:00:00.000+00:00",
    "2026-11-28T08:00:00.000+00:00", "s3://b/ledger/bbc-news/00000009-1.json",
)  # fmt: skip
GATE = GateResult(
    "canary.failure_increase", "at most 0.01", 0.002, -0.01, 0.02, 0.975, 240,
    Verdict.UNDETERMINED, "its upper end is above 0.01",
)  # fmt: skip
LOOK = CanaryLook(
    STEP, (2_280, 120), (GATE,), Verdict.UNDETERMINED, "the candidate was asked 120 requests",
    "2026-11-28T10:00:00+00:00",
)  # fmt: skip


def test_a_look_shows_each_gate_both_counts_and_what_is_waited_for() -> None:
    shown = look_markdown(LOOK, ("step 2 of 3", "the step lasts 1 h"))
    assert shown.startswith("## ? canary of bbc-news version 8: undetermined\n\nthe candidate was")
    assert "- step 2 of 3\n- the step lasts 1 h" in shown
    assert "2,280 requests of version 7 in production, 120 of the candidate" in shown
    (row,) = [line for line in shown.splitlines() if "failure" in line]
    assert "? undetermined" in row
    assert "0.002" in row
    assert "0.02000]" in row
    assert "97.5%" in row


def test_a_look_that_saw_no_requests_shows_no_table() -> None:
    empty = CanaryLook(STEP, (0, 0), (), Verdict.UNDETERMINED, "nothing came", LOOK.at)
    assert "|" not in look_markdown(empty, ())


def test_an_outcome_names_what_there_is() -> None:
    stopped = CanaryOutcome(
        "bbc-news", 8, "canary stopped", "canary.failure_increase fails", 2, 0.05, Verdict.FAIL,
        STEP.ledger_uri, version_url="http://m/8",
    )  # fmt: skip
    shown = outcome_markdown(stopped)
    assert shown.startswith("## canary of bbc-news version 8: canary stopped")
    assert "Step 2: it answers 5% of the requests." in shown
    assert "[bbc-news version 8 in MLflow](http://m/8)" in shown
    assert "Report" not in shown


def test_a_share_is_told_as_who_reads_it_needs_it() -> None:
    assert share_words(0) == "shadow: it is asked, and its answers reach nobody"
    assert share_words(1) == "it answers 100% of the requests"
