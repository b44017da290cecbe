"""What `assayline canary` takes and shows, without a server."""

from typing import Any

import pytest

from flows.commands.canary_command import canary, canary_words, show_outcome
from flows.commands.line_commands import EXITS, _canary_step
from infra.errors import PromotionError
from tasks.records.canary import CanaryStep
from tasks.records.canary_outcome import CanaryOutcome
from tasks.records.registry import LedgerEntry
from tasks.verdicts import Verdict

STEP = CanaryStep(
    "bbc-news", 8, "c" * 64, 7, 2, 0.05, "2026-11-28T09:00:00.000+00:00",
    "2026-11-28T08:00:00.000+00:00", "s3://b/ledger/bbc-news/00000009-1.json",
)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"once": True, "stop": True, "reason": "worse"}, "--once and --stop are two things"),
        ({"stop": True}, "--stop given, --reason not given"),
        ({"stop": True, "reason": " "}, "a canary is stopped with a reason"),
        ({"reason": "worse"}, "--stop not given, --reason worse"),
    ],
)
def test_what_it_cannot_mean_is_refused_before_anything_starts(
    asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(PromotionError, match=said):
        canary("bbc-news", **asked)


def test_status_says_who_is_tried_beside_whom() -> None:
    assert canary_words(STEP) == (
        "version 8 is tried beside version 7: step 2 since 2026-11-28 09:00 UTC, it answers 5% of "
        "the requests"
    )


@pytest.mark.parametrize(
    ("step", "share", "shown"),
    [(0, 0.0, ""), (1, 0.0, " (step 1, shadow)"), (2, 0.25, " (step 2, 25%)")],
)
def test_the_ledger_shows_the_step_of_a_canary(step: int, share: float, shown: str) -> None:
    entry = LedgerEntry(
        "bbc-news", "canary advanced", 7, 7, 8, Verdict.PASS, "as seen", {}, "policy",
        "2026-11-28T09:00:00.000+00:00", "", step=step, share=share,
    )  # fmt: skip
    assert _canary_step(entry) == shown


def test_a_run_whose_candidate_is_tried_has_an_exit_code_of_its_own() -> None:
    assert EXITS["canary started"] not in {0, EXITS["awaiting approval"]}


def test_an_outcome_is_shown_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = CanaryOutcome("bbc-news", None, "", "no candidate of bbc-news is tried")
    show_outcome(nothing, "http://p/run", as_json=False)
    assert capsys.readouterr().out == "no candidate of bbc-news is tried\n"
    stopped = CanaryOutcome("bbc-news", 8, "canary stopped", "harm", 2, 0.05, Verdict.FAIL)
    show_outcome(stopped, "http://p/run", as_json=False)
    shown = capsys.readouterr().out
    assert "canary of bbc-news version 8: canary stopped: harm" in shown
    assert "http://p/run" in shown
    show_outcome(stopped, "http://p/run", as_json=True)
    assert '"verdict": "fail"' in capsys.readouterr().out
