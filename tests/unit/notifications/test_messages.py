"""What is told of a decision, and that one decision is one message."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.config import RetrainConfig, load_line
from infra.errors import SettingsError
from tasks.notifications.messages import (
    MAX_REASON_CHARS,
    of_alias_check,
    of_canary,
    of_decision,
    of_drift,
    of_ended_run,
    of_entry,
    of_pending_approval,
)
from tasks.notifications.settings import EVENT_NAMES
from tasks.records.canary_outcome import CanaryOutcome
from tasks.records.registry import AliasCheck, Decision, Judgement, LedgerEntry
from tasks.verdicts import GateResult, Verdict

PASSING = GateResult(
    "quality.macro_f1", "at least 0.9", 0.95, 0.92, 0.97, 0.975, 64, Verdict.PASS, "ok"
)
FAILING = GateResult(
    "champion.macro_f1_gain", "at least -0.02", -0.1, -0.2, -0.03, 0.975, 64, Verdict.FAIL,
    "-0.03 is below -0.02",
)  # fmt: skip
UNTOLD = replace(FAILING, metric="fairness.gap", verdict=Verdict.UNDETERMINED, reason="12 rows")
DECISION = Decision(
    "bbc-news", 7, "refused", "champion.macro_f1_gain fail: -0.03 is below -0.02",
    Judgement((PASSING, FAILING, UNTOLD), Verdict.FAIL), "s3://b/ledger/bbc-news/00000009-1.json",
    "http://m/version", "http://m/report", "s3://b/report.html",
)  # fmt: skip
ENTRY = LedgerEntry(
    line="bbc-news", action="rolled back", from_version=3, to_version=2, candidate_version=2,
    verdict=None, reason="worse on Mondays", evidence={}, by="Ada", at="2026-11-01T00:00:00+00:00",
    previous_sha256="a" * 64,
)  # fmt: skip


def test_a_refused_candidate_names_the_gates_that_blocked_it() -> None:
    message = of_decision(DECISION, "http://p/run")
    assert message.event == "version.refused"
    assert message.subject == "bbc-news version 7 refused"
    assert message.body.splitlines() == [
        "verdict: fail",
        "gates that blocked it:",
        "- champion.macro_f1_gain fail: -0.03 is below -0.02",
        "- fairness.gap undetermined: 12 rows",
        "report: http://m/report",
        "version: http://m/version",
        "run: http://p/run",
    ]


def test_a_promotion_gives_its_reason_and_no_link_that_is_none() -> None:
    passed = Judgement((PASSING,), Verdict.PASS)
    promoted = replace(DECISION, action="promoted", reason="all 1 gates pass", judgement=passed)
    message = of_decision(promoted, "")
    assert message.event == "version.promoted"
    assert message.body.splitlines()[:2] == ["verdict: pass", "all 1 gates pass."]
    assert "run:" not in message.body


def test_one_decision_has_one_key_whichever_run_tells_it() -> None:
    keys = [of_decision(DECISION, url).key for url in ("http://p/1", "http://p/2")]
    assert len(set(keys)) == 1
    others = (replace(DECISION, ledger_uri="s3://b/10"), replace(DECISION, action="promoted"))
    assert len({keys[0], *(of_decision(other, "").key for other in others)}) == 3
    assert of_entry(ENTRY, "1").key == of_entry(ENTRY, "2").key
    assert of_entry(ENTRY, "").key != of_entry(replace(ENTRY, previous_sha256="b" * 64), "").key
    found = AliasCheck("bbc-news", "moved", (3, 1), (2, 1), "undecided", "s3://b/11")
    assert of_alias_check(found, "1").key == of_alias_check(found, "2").key
    assert of_alias_check(replace(found, done="restored"), "").key != of_alias_check(found, "").key


def test_a_rollback_and_a_persons_word_say_whose_they_are() -> None:
    back = of_entry(ENTRY, "http://p/run")
    assert (back.event, back.version) == ("production.rolled-back", 2)
    assert back.subject == "bbc-news: rolled back to version 2"
    assert "by Ada: worse on Mondays" in back.body
    word = of_entry(replace(ENTRY, action="overridden", to_version=5, verdict=Verdict.FAIL), "")
    assert (word.event, word.verdict) == ("version.promoted", "fail")
    assert word.subject == "bbc-news: version 5 promoted by Ada"


def test_a_move_by_hand_says_what_is_to_be_decided() -> None:
    found = AliasCheck(
        "bbc-news", "production names version 3", (3, 1), (2, 1), "undecided", "s3://"
    )
    assert "assayline reconcile bbc-news --restore" in of_alias_check(found, "").body
    assert "it was restored" in of_alias_check(replace(found, done="restored"), "").body


def test_a_run_that_ended_badly_shows_no_password_and_not_all_of_its_words() -> None:
    reason = "cannot reach postgresql://ada:hunter2@db/rows?password=hunter3 " + "x" * 5_000
    message = of_ended_run("bbc-news", "retrain bbc-news", "failed", reason, "k", "http://p/run")
    assert message.event == "run.failed"
    assert "hunter" not in message.body
    assert len(message.body) < MAX_REASON_CHARS + 100
    cancelled = of_ended_run("bbc-news", "retrain bbc-news", "was cancelled", "", "k", "")
    assert (cancelled.event, cancelled.body) == ("run.cancelled", "it gives no reason")


def test_what_other_parts_tell() -> None:
    drift = of_drift("bbc-news", ("words: p < 0.0001",), "window-1", {"charts": "http://m/1"})
    assert drift.event == "drift.detected"
    assert drift.body == "words: p < 0.0001\ncharts: http://m/1"
    waiting = of_pending_approval("bbc-news", 7, "pass", ("until Monday",), {"run": "http://p/1"})
    assert waiting.event == "approval.pending"
    assert waiting.subject == "bbc-news version 7 waits for approval"


def test_settings_name_a_block_and_what_is_sent() -> None:
    source = {"format": "csv", "path": "a.csv", "columns": {"text": "t", "label": "l"}}
    given = [
        {"block": "slack-webhook/team", "events": ["version.promoted"]},
        {"block": "apprise-url/m"},
    ]
    config = RetrainConfig.model_validate({"line": "x", "source": source, "notifications": given})
    first, second = config.notifications
    assert first.events == ("version.promoted",)
    assert second.events == EVENT_NAMES


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            "[{block: https://hooks.slack.com/services/T0/B0/secret}]",
            "block is an address, which is a secret",
        ),
        ("[{block: team}]", "notifications.0.block"),
        ("[{block: slack-webhook/team, events: [promoted]}]", "notifications.0.events.0"),
        ("[{block: slack-webhook/team, events: []}]", "notifications.0.events"),
    ],
)
def test_wrong_settings_are_told_by_their_place(wrong: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "line: x\nsource: {format: csv, path: a.csv, columns: {text: t, label: l}}\n"
        f"notifications: {wrong}\n"
    )
    with pytest.raises(SettingsError, match=told) as refused:
        load_line(str(path), "x")
    assert "hooks.slack.com" not in str(refused.value)


def test_a_line_gives_its_deployments_what_it_sends(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "line: x\nsource: {format: csv, path: a.csv, columns: {text: t, label: l}}\n"
        "notifications: [{block: slack-webhook/team, events: [run.failed]}]\n"
    )
    assert load_line(str(path), "x")["notifications"] == [
        {"block": "slack-webhook/team", "events": ["run.failed"]}
    ]


@pytest.mark.parametrize(
    ("action", "event"),
    [
        ("canary advanced", "canary.advanced"),
        ("canary stopped", "canary.stopped"),
        ("promoted", "version.promoted"),
        ("refused", "version.refused"),
    ],
)
def test_what_is_decided_on_a_canary_is_told_once(action: str, event: str) -> None:
    outcome = CanaryOutcome(
        "bbc-news", 8, action, "canary.failure_increase fails", 2, 0.05, Verdict.FAIL, "s3://b/9",
        page_url="http://m/looks", version_url="http://m/8",
    )  # fmt: skip
    message = of_canary(outcome, "http://p/run")
    assert message is not None
    assert (message.event, message.version, message.verdict) == (event, 8, "fail")
    assert message.subject == f"bbc-news version 8 {action}"
    assert message.body.splitlines() == [
        "canary.failure_increase fails.", "step 2: it answers 5% of the requests",
        "looks: http://m/looks", "version: http://m/8", "run: http://p/run",
    ]  # fmt: skip
    # The run of the line that finds the same decision tells nothing new.
    found = replace(DECISION, action=action, ledger_uri="s3://b/9")
    assert of_decision(found, "http://p/other").key == message.key


@pytest.mark.parametrize("action", ["", "goes on", "undecided"])
def test_a_canary_that_stays_where_it_is_is_told_to_nobody(action: str) -> None:
    assert of_canary(CanaryOutcome("bbc-news", 8, action, "as seen", 1), "") is None


@pytest.mark.parametrize("action", ["started", "stopped"])
def test_a_run_of_the_line_tells_of_its_canary(action: str) -> None:
    passed = Judgement((PASSING,), Verdict.PASS)
    decision = replace(DECISION, action=f"canary {action}", reason="step 1", judgement=passed)
    message = of_decision(decision, "http://p/run")
    assert message.event == f"canary.{action}"
    assert "step 1." in message.body
