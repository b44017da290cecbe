"""Windows of recorded rows, held against a version in production: real store, real registry."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from infra.errors import PromotionError, SettingsError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.settings import FairnessSettings
from tasks.monitoring.alarms import alarm_of, keep_alarm
from tasks.monitoring.due import due_labels, due_windows, forget_the_future
from tasks.monitoring.judging import Watch, judge_window
from tasks.monitoring.labelled_rows import LabelPolicy
from tasks.monitoring.publication import publish_monitor
from tasks.monitoring.reference import read_reference
from tasks.monitoring.running import Judged, rule_of, run_monitor
from tasks.monitoring.scored_batches import scored_objects
from tasks.monitoring.settings import MonitorSettings
from tasks.monitoring.window_records import read_windows, window_uri
from tasks.records.monitoring import (
    LabelledRows,
    WatchedVersion,
    WatchedWindow,
    Window,
    WindowCheck,
)
from tasks.registry.manual_promotion import override_promotion_of
from tasks.registry.production import production_of
from tasks.registry.registration import register_version
from tasks.registry.watched import watched_version
from tasks.reporting.monitor_page import MonitorEvidence, render_monitor_page
from tasks.serving.scoring.batches import score_objects
from tasks.serving.scoring.inputs import find_inputs
from tasks.serving.scoring.settings import ScoringSettings
from tasks.verdicts import Gate, Verdict
from tests.faults.lines import new_line
from tests.faults.little_room import without_room
from tests.recorded_traffic import (
    Asked,
    hour_of,
    write_feedback,
    write_requests,
    write_scored,
)

LINE = "watched-in-production"
# What two hundred training rows and sixty answers can tell apart.
SETTINGS = MonitorSettings(
    permutations=299, max_rows=250, k=3, n=4, false_alarms_a_year=0.5, max_length_distance=0.3,
    max_vocabulary_distance=0.5, max_prediction_distance=0.5, max_confidence_distance=0.5,
    max_domain_auc=0.9, catch_up_windows=6, cool_down_hours=6,
)  # fmt: skip
START = hour_of(2026, 3, 2, 5)
GATE = Gate(metric="quality.accuracy", at_least=0.5)


@pytest.fixture(scope="module")
def watched(candidate: Any, store: ObjectStore, tracking: Tracking) -> WatchedVersion:
    """A version in production; before it there is nothing to watch."""
    version = register_version(
        LINE, candidate.snapshot, candidate.data, candidate.tokens, candidate.base,
        candidate.weights, candidate.scores, candidate.fairness, "classification",
        store=store, tracking=tracking,
    )  # fmt: skip
    assert watched_version(LINE, store=store, tracking=tracking) is None
    override_promotion_of(
        LINE, version.version, "Ada", "to be watched", store=store, tracking=tracking
    )
    found = watched_version(LINE, store=store, tracking=tracking)
    assert found is not None
    assert found.clean.sha256 == candidate.data.clean.sha256
    assert found.scores == replace(candidate.scores.artifact, size_bytes=0)
    return found


@pytest.fixture(scope="module")
def watch(watched: WatchedVersion, store: ObjectStore) -> Watch:
    policy = LabelPolicy((GATE,), EvaluationSettings(repeats=4_000), FairnessSettings())
    return Watch(watched, read_reference(watched, None, SETTINGS, store), policy, SETTINGS)


@pytest.fixture(scope="module")
def asked(
    candidate: Any, store: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> list[Asked]:
    """Held-out rows with the answers that the version really gave to them."""
    folder = tmp_path_factory.mktemp("asked")
    clean = pq.read_table(store.get_file(candidate.data.clean, folder / "clean.parquet"))
    texts = dict(zip(clean["row_id"].to_pylist(), clean["text"].to_pylist(), strict=True))
    scores = pq.read_table(store.get_file(candidate.scores.artifact, folder / "scores.parquet"))
    return [
        Asked({"text": texts[row_id]}, json.loads(answer))
        for row_id, answer in zip(
            scores["row_id"].to_pylist(), scores["answer"].to_pylist(), strict=True
        )
    ]


def steady(asked: Sequence[Asked], rows: int, seed: int = 0) -> list[Asked]:
    random = np.random.default_rng(seed)
    return [asked[at] for at in random.integers(0, len(asked), rows).tolist()]


def shifted(rows: int) -> list[Asked]:
    """Longer texts of words that no row had, answered with one label and little confidence."""
    text = "quarterly merger antitrust tribunal verdict appeal settlement injunction " * 12
    return [
        Asked({"text": f"{text}{number}"}, {"label": "sport", "score": 0.4 + number % 7 / 100})
        for number in range(rows)
    ]


def record(
    store: ObjectStore, watched: WatchedVersion, hour: datetime, asked: Sequence[Asked], **more: Any
) -> list[str]:
    return write_requests(
        store, LINE, hour, asked, version=watched.version,
        weights_sha256=watched.weights_sha256, **more,
    )  # fmt: skip


def judged(watch: Watch, start: datetime, store: ObjectStore) -> Window:
    return judge_window(watch, start, start + timedelta(hours=2), store)


def checks_of(window: Window) -> dict[str, WindowCheck]:
    return {check.name: check for check in window.checks}


def test_steady_traffic_fails_nothing_and_other_traffic_fails(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    record(store, watched, START, steady(asked, 400))
    window = judged(watch, START, store)
    found = checks_of(window)
    assert sorted(found) == [
        "drift.domain_classifier", "drift.text_length", "drift.vocabulary",
        "predictions.confidence", "predictions.label_shares",
    ]  # fmt: skip
    assert all(check.verdict is not Verdict.FAIL for check in window.checks), window.checks
    assert found["drift.text_length"].verdict is Verdict.PASS
    assert (window.rows, window.rows_of_version) == ({"production": 400}, 400)
    assert window.rows_read == SETTINGS.max_rows
    assert window.latency_p95_ms == 12
    assert window.version == watched.version

    later = START + timedelta(hours=1)
    record(store, watched, later, shifted(400))
    window = judged(watch, later, store)
    failed = {check.name for check in window.checks if check.verdict is Verdict.FAIL}
    assert {"drift.text_length", "drift.vocabulary", "predictions.confidence"} <= failed
    assert window.verdict is Verdict.FAIL
    was, now = window.label_shares["sport"]
    assert now == 1
    assert was < 1


def test_rows_of_other_roles_and_versions_are_not_taken_for_its_answers(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    hour = START + timedelta(days=1)
    record(store, watched, hour, steady(asked, 150))
    record(store, watched, hour, shifted(200), role="shadow", writer="shadow")
    write_requests(
        store, LINE, hour, shifted(150), version=99, weights_sha256="other", writer="other"
    )
    window = judged(watch, hour, store)
    assert window.rows == {"production": 300}
    assert window.rows_of_version == 150
    assert checks_of(window)["predictions.label_shares"].rows == 150


def test_scored_batches_count_too(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    hour = START + timedelta(days=2)
    write_scored(
        store, LINE, hour, shifted(300), version=watched.version,
        weights_sha256=watched.weights_sha256,
    )  # fmt: skip
    window = judged(watch, hour, store)
    assert (window.rows, window.rows_of_version) == ({"scored": 300}, 300)
    assert checks_of(window)["drift.vocabulary"].verdict is Verdict.FAIL
    alone = Watch(
        watch.watched, watch.reference, watch.policy,
        SETTINGS.model_copy(update={"scored_batches": False}),
    )  # fmt: skip
    assert judged(alone, hour, store).rows == {}


def test_what_scoring_wrote_is_read(
    watched: WatchedVersion, watch: Watch, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    """The version in production scores a file; its index and its predictions are the window."""
    path = tmp_path / "batch.jsonl"
    texts = [f"the goal of match {number} was late" for number in range(150)]
    path.write_text("\n".join(json.dumps({"text": text, "id": text[-9:]}) for text in texts))
    settings = ScoringSettings(rows_at_once=64, workers=1, keep_columns={"id": "id"})
    production = production_of(LINE, store=store, tracking=tracking)
    objects = find_inputs([str(path)], settings, store)
    run = score_objects(
        production, objects, settings, lambda *_: None, store=store, tracking=tracking
    )
    (scored,) = run.objects
    at = datetime.fromisoformat(scored.scored_at).replace(minute=0, second=0)
    window = judged(watch, at, store)
    assert (window.rows, window.rows_of_version, window.unreadable) == ({"scored": 150}, 150, 0)
    assert (window.rows_read, window.version) == (150, run.version)
    parts = [pq.read_table(BytesIO(store.get_bytes(part.uri))) for part in scored.predictions]
    assert len(parts) == 3
    labels = [label for part in parts for label in part["label"].to_pylist()]
    scores = [score for part in parts for score in part["score"].to_pylist()]
    assert {name: now for name, (_, now) in window.label_shares.items() if now} == {
        name: pytest.approx(labels.count(name) / 150, abs=1e-6) for name in set(labels)
    }
    assert window.mean_confidence is not None
    assert window.mean_confidence[1] == pytest.approx(float(np.mean(scores)), abs=1e-4)
    assert checks_of(window)["predictions.confidence"].value is not None
    # Predictions that were changed leave the window undetermined, as do those that are gone.
    uri = scored.predictions[1].uri
    written, other = store.get_bytes(uri), store.get_bytes(scored.predictions[0].uri)
    store.put_bytes(uri, other)
    window = judged(watch, at, store)
    assert window.verdict is Verdict.UNDETERMINED
    assert f"{uri} was changed after it was written" in window.checks[0].reason
    store.put_bytes(uri, written)
    assert judged(watch, at, store).rows == {"scored": 150}
    store.delete(scored.predictions[1].uri)
    window = judged(watch, at, store)
    assert window.verdict is Verdict.UNDETERMINED
    assert scored.predictions[1].uri in window.checks[0].reason


def test_rows_of_one_request_are_drawn_together(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    hour = START + timedelta(days=3)
    record(store, watched, hour, steady(asked, 300), rows_per_request=100)
    window = judged(watch, hour, store)
    check = checks_of(window)["predictions.confidence"]
    assert check.verdict is Verdict.UNDETERMINED
    assert "3 clusters" in check.reason
    # A hundred times the same request is one thing that happened, and not a hundred.
    hour += timedelta(hours=1)
    record(store, watched, hour, shifted(300), rows_per_request=100)
    assert all(check.verdict is not Verdict.FAIL for check in judged(watch, hour, store).checks)


@pytest.mark.parametrize("rows", [0, 1, 99])
def test_too_few_rows_are_undetermined(
    rows: int, watch: Watch, watched: WatchedVersion, store: ObjectStore
) -> None:
    hour = START + timedelta(days=4, hours=rows % 24)
    if rows:
        record(store, watched, hour, shifted(rows))
    window = judged(watch, hour, store)
    assert window.verdict is Verdict.UNDETERMINED
    assert {check.verdict for check in window.checks} == {Verdict.UNDETERMINED}
    assert "monitor.min_rows is 100" in window.checks[0].reason


def test_an_object_that_cannot_be_read_leaves_its_window_undetermined(
    watch: Watch, watched: WatchedVersion, store: ObjectStore
) -> None:
    hour = START + timedelta(days=5)
    record(store, watched, hour, shifted(200))
    uri = store.uri("requests", LINE, hour.strftime("%Y/%m/%d/%H"), "cut-0.parquet")
    whole = store.get_bytes(uri.replace("cut-0", "writer-0"))
    # No file at all; and one whose footer is whole, and whose rows are not.
    half = len(whole) // 2
    for content in (b"PAR1 and no more", b"PAR1" + bytes(half - 4) + whole[half:]):
        store.put_bytes(uri, content)
        window = judged(watch, hour, store)
        assert {check.verdict for check in window.checks} == {Verdict.UNDETERMINED}
        assert uri in window.checks[0].reason


def test_what_the_task_type_cannot_read_is_counted(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    hour = START + timedelta(days=6)
    broken = [Asked({"txt": "no such column"}, one.answer) for one in steady(asked, 7)]
    record(store, watched, hour, [*steady(asked, 200), *broken])
    window = judged(watch, hour, store)
    assert (window.unreadable, window.rows_read) == (7, 200)


def test_a_row_without_an_answer_is_no_unreadable_one(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    """It is counted, its answer and its latency are none; objects of before the column are read."""
    hour = START + timedelta(days=6, hours=6)
    rows = steady(asked, 60)  # so few that no check takes time
    record(store, watched, hour, rows, latency_ms=10.0)
    before = judged(watch, hour, store)
    assert (before.rows, before.unanswered) == ({"production": 60}, 0)
    folder = store.uri("requests", LINE, hour.strftime("%Y/%m/%d/%H"))
    kept = pq.read_table(BytesIO(store.get_bytes(f"{folder}/writer-0.parquet")))
    old = BytesIO()
    pq.write_table(kept.drop_columns(["error"]), old)
    store.put_bytes(f"{folder}/writer-0.parquet", old.getvalue())
    assert judged(watch, hour, store) == before

    failed = [Asked(one.inputs, {}) for one in rows[:20]]
    record(store, watched, hour, failed, writer="failed", error="unanswered", latency_ms=60_000.0)
    window = judged(watch, hour, store)
    assert (window.rows, window.unanswered) == ({"production": 80}, 20)
    assert (window.unreadable, window.rows_of_version, window.latency_p95_ms) == (0, 60, 10.0)


def test_labels_that_came_are_held_against_the_gates(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    """The latest label counts; harm is called where the interval lies wholly below the gate."""
    hour = START + timedelta(days=7)
    rows = steady(asked, 300)
    requests = record(store, watched, hour, rows)
    right = [(request, 0, one.answer["label"]) for request, one in zip(requests, rows, strict=True)]
    wrong = [
        (request, 0, next(name for name in watched.labels if name != label))
        for request, _, label in right
    ]
    write_feedback(store, LINE, hour, right[:120])
    window = judged(watch, hour, store)
    (check,) = window.labelled.checks
    assert (check.verdict, check.value, window.labelled.rows) == (Verdict.PASS, 1, 120)
    assert "selected sample" in window.labelled.note
    measured = {one.name: one for one in window.labelled.values}
    accuracy = measured["quality.accuracy"]
    assert (accuracy.value, accuracy.rows) == (1, 120)
    assert accuracy.low is not None
    assert accuracy.low < 1

    write_feedback(store, LINE, hour, wrong[:120], writer="second", second=9)
    write_feedback(store, LINE, hour, [("nobody", 0, "sport")], writer="third")
    write_feedback(store, LINE, hour, [(requests[200], 0, "weather")], writer="fourth")
    labelled = judged(watch, hour, store).labelled
    (check,) = labelled.checks
    assert (check.verdict, check.value) == (Verdict.FAIL, 0)
    shown = WatchedWindow(window, labelled)
    assert (shown.failed, shown.verdict) == (("quality.accuracy",), Verdict.FAIL)
    assert (labelled.rows, labelled.unknown_labels, labelled.feedback_rows) == (120, 1, 242)

    few = START + timedelta(days=7, hours=3)
    requests = record(store, watched, few, rows)
    write_feedback(store, LINE, few, [(requests[at], 0, "sport") for at in range(5)])
    (check,) = judged(watch, few, store).labelled.checks
    assert check.verdict is Verdict.UNDETERMINED
    assert "5 rows with a label" in check.reason


def test_only_those_who_are_named_say_what_is_right(
    watched: WatchedVersion, watch: Watch, asked: list[Asked], store: ObjectStore
) -> None:
    """As in a feedback source: what others say is neither counted nor the newest."""
    hour = START + timedelta(days=31)
    rows = steady(asked, 120, seed=31)
    requests = record(store, watched, hour, rows)
    right = [
        (request, 0, str(one.answer["label"])) for request, one in zip(requests, rows, strict=True)
    ]
    wrong = [
        (request, 0, next(name for name in watched.labels if name != label))
        for request, _, label in right
    ]
    write_feedback(store, LINE, hour, right[:60], by="Ada")
    write_feedback(store, LINE, hour, wrong, writer="second", second=9, by="visitor")
    settings = SETTINGS.model_copy(update={"feedback_by": ("Ada", "Grace")})
    alone = Watch(watch.watched, watch.reference, watch.policy, settings)
    labelled = judged(alone, hour, store).labelled
    assert (labelled.rows, labelled.feedback_rows) == (60, 60)
    assert next(one.value for one in labelled.values if one.name == "quality.accuracy") == 1.0
    everybody = judged(watch, hour, store).labelled
    assert (everybody.rows, everybody.feedback_rows) == (120, 180)
    assert next(one.value for one in everybody.values if one.name == "quality.accuracy") == 0.0


def test_how_many_labels_would_do_is_said(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    hour = START + timedelta(days=8)
    rows = steady(asked, 100)
    requests = record(store, watched, hour, rows)
    others = [next(n for n in watched.labels if n != one.answer["label"]) for one in rows]
    said = [
        (request, 0, one.answer["label"] if at % 20 < 11 else other)
        for at, (request, one, other) in enumerate(zip(requests, rows, others, strict=True))
    ]
    write_feedback(store, LINE, hour, said)
    (check,) = judged(watch, hour, store).labelled.checks
    assert check.verdict is Verdict.UNDETERMINED
    assert check.rows_needed
    assert 400 < check.rows_needed < 2_000
    assert "rows with a label would do" in check.reason


@pytest.mark.slow
def test_missed_hours_are_caught_up_in_bounds_and_each_is_judged_once(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    """Missed windows, a gap, the alarm, its cool-down, and labels that come late."""
    first = hour_of(2026, 6, 1, 0)
    at = first + timedelta(hours=1, minutes=15)
    requests = record(store, watched, first, steady(asked, 200))
    found = run_monitor(watch, at, store)
    assert found.judged == ("2026-06-01T00:00Z",)
    record_before = store.get_bytes(window_uri(LINE, first, store))

    for hour in range(1, 6):
        record(store, watched, first + timedelta(hours=hour), shifted(200))
    found = run_monitor(watch, at + timedelta(hours=5), store)
    assert found.judged == tuple(f"2026-06-01T0{hour}:00Z" for hour in range(1, 6))
    assert [alarm.start.hour for alarm in found.raised] == [3], "the third of them completes it"
    assert found.raised[0].version == watched.version
    assert "drift.text_length (in 3)" in found.raised[0].sentence
    again = run_monitor(watch, at + timedelta(hours=5), store)
    assert again.judged == ()
    assert again.raised == found.raised, "as long as nobody recorded that it was raised"
    keep_alarm(found.raised[0], store)
    assert run_monitor(watch, at + timedelta(hours=5), store).raised == ()
    # It cools down: six hours after the first one the same drift is an alarm again.
    for hour in range(6, 11):
        record(store, watched, first + timedelta(hours=hour), shifted(200))
    found = run_monitor(watch, at + timedelta(hours=10), store)
    assert [alarm.start.hour for alarm in found.raised] == [9]

    # The worker was away for two days: the last six windows are judged, the others stay a gap.
    write_feedback(
        store, LINE, first + timedelta(hours=20), [(one, 0, "sport") for one in requests]
    )
    found = run_monitor(watch, at + timedelta(hours=58), store)
    assert len(found.judged) == 6
    assert found.judged[-1] == "2026-06-03T10:00Z"
    assert found.skipped == 42
    # Labels came within a day of the first window: its quality alone is told anew.
    assert "2026-06-01T00:00Z" in found.again
    assert store.get_bytes(window_uri(LINE, first, store)) == record_before
    newest = next(one for one in found.windows if one.window.start == first)
    assert (newest.labelled.waited_hours, newest.labelled.rows) == (24, 200)
    assert newest.window.labelled.rows == 0
    assert run_monitor(watch, at + timedelta(hours=58), store).again == ()


def test_a_line_that_was_never_watched_begins_with_the_newest_window(store: ObjectStore) -> None:
    now = hour_of(2026, 8, 1, 12) + timedelta(minutes=15)
    due = due_windows("never-watched", now, SETTINGS, store)
    assert due.windows == (hour_of(2026, 8, 1, 11),)
    due = due_windows("never-watched", now, SETTINGS, store, "2026-08-01T08:30Z")
    assert due.windows == tuple(hour_of(2026, 8, 1, hour) for hour in (8, 9, 10, 11))
    # Its records may still be on their way.
    early = due_windows("never-watched", now - timedelta(minutes=10), SETTINGS, store)
    assert early.windows == (hour_of(2026, 8, 1, 10),)
    for wrong, why in (
        ("yesterday", "right would be"), ("2027-01-01", "the last window"),
        ("2025-01-01", "more than 366 days ago"),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=why):
            due_windows("never-watched", now, SETTINGS, store, wrong)


def test_older_windows_without_a_record_are_reached_by_asking_again(store: ObjectStore) -> None:
    """A run judges six at most; those that have a record take no place among them."""
    line, now = "watched-with-gaps", hour_of(2026, 9, 2, 0) + timedelta(minutes=15)
    first = hour_of(2026, 9, 1, 12)
    asked = [due_windows(line, now, SETTINGS, store, first.isoformat())]
    for start in asked[0].windows:
        store.put_bytes(window_uri(line, start, store), b"{}")
    asked.append(due_windows(line, now, SETTINGS, store, first.isoformat()))
    assert [one.windows[0].hour for one in asked] == [18, 12]
    assert [(len(one.windows), one.skipped) for one in asked] == [(6, 6), (6, 0)]


def test_a_week_without_feedback_costs_a_list_of_each_day(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, now = "watched-without-labels", hour_of(2026, 9, 12, 0)
    starts = [now - timedelta(hours=hours) for hours in range(170, 0, -1)]
    windows = [watched_window(line, start) for start in starts]
    calls: list[str] = []

    def counted(ask: Callable[[str], Any]) -> Callable[[str], Any]:
        return lambda uri: (calls.append(uri), ask(uri))[1]

    for name in ("list", "exists"):
        monkeypatch.setattr(store, name, counted(getattr(store, name)))
    assert due_labels(windows, now, 1, SETTINGS, store) == []
    assert len(calls) <= 8
    write_feedback(store, line, hour_of(2026, 9, 10, 7), [("someone", 0, "sport")])
    due = due_labels(windows, now, 1, SETTINGS, store)
    # Those that had ended by then, and not more than a day before; or a week ago by now.
    assert [start for start, _, wait in due if wait == 24] == [
        hour_of(2026, 9, 9, 7) + timedelta(hours=hours) for hours in range(24)
    ]
    assert [start for start, _, wait in due if wait == 168] == starts[:2]


def watched_window(line: str, start: datetime) -> WatchedWindow:
    labelled = LabelledRows(0, 0, 0, 0, (), ())
    window = Window(
        line, start, 1, 1, "", "", "", "", {}, 0, 0, 0, 0.001, {}, None, None, None, (),
        Verdict.PASS, labelled,
    )  # fmt: skip
    return WatchedWindow(window, labelled)


def test_a_reference_that_is_gone_passes_nothing(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    gone = replace(
        watched,
        clean=replace(watched.clean, uri=store.uri("clean", "gone.parquet")),
        scores=replace(watched.scores, uri=""),
    )
    lost = Watch(gone, read_reference(gone, None, SETTINGS, store), watch.policy, SETTINGS)
    hour = START + timedelta(days=10)
    record(store, watched, hour, steady(asked, 200))
    window = judged(lost, hour, store)
    assert window.verdict is Verdict.UNDETERMINED
    found = checks_of(window)
    assert "are gone from the store" in found["drift.vocabulary"].reason
    assert "named nowhere" in found["predictions.confidence"].reason


def test_a_version_that_does_not_say_what_it_was_made_of_passes_nothing(
    asked: list[Asked], store: ObjectStore, tracking: Tracking
) -> None:
    """It has the tags of an earlier release; without them it is refused, as by serving."""
    line = new_line("watched-of-old", store, tracking, "+")
    with pytest.raises(PromotionError, match="nothing says how many tokens version 1"):
        watched_version(line.name, store=store, tracking=tracking)
    tags = {
        "task_type": "classification", "labels": "business, film, sport",
        "max_length": "16", "stride": "0", "max_target_length": "0",
    }  # fmt: skip
    tracking.set_tags(line.name, 1, {f"assayline.{name}": value for name, value in tags.items()})
    found = watched_version(line.name, store=store, tracking=tracking)
    assert found is not None
    assert (found.clean.uri, found.scores.uri) == ("", "")
    policy = LabelPolicy((), EvaluationSettings(), FairnessSettings())
    watch = Watch(found, read_reference(found, None, SETTINGS, store), policy, SETTINGS)
    hour = START + timedelta(days=11)
    write_requests(store, line.name, hour, steady(asked, 200), weights_sha256="w1")
    window = judged(watch, hour, store)
    assert (window.rows_of_version, window.verdict) == (200, Verdict.UNDETERMINED)
    assert {check.verdict for check in window.checks} == {Verdict.UNDETERMINED}
    assert all("are named nowhere" in check.reason for check in window.checks)


@pytest.mark.slow  # it shows the hours of the test before
def test_the_page_is_kept_where_people_look(
    watch: Watch, watched: WatchedVersion, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    """It shows each check over time, and the version in MLflow links it."""
    found: Judged = run_monitor(watch, hour_of(2026, 6, 3, 11) + timedelta(minutes=15), store)
    evidence = MonitorEvidence(watched, found.windows, found.alarms, rule_of(watch))
    html, url = publish_monitor(evidence, store=store, tracking=tracking)
    page = store.get_bytes(html.uri).decode()
    assert page == render_monitor_page(evidence)
    for name in ("drift.vocabulary", "predictions.confidence", "quality.accuracy"):
        assert f"{name} over time" in page
    assert 'class="gap"' in page
    assert "3 of the last 4 windows" in page
    assert "<script" not in page
    tags = tracking.version_tags(LINE, watched.version)
    assert tags["assayline.monitor"] == url
    run_id = url.rpartition("/runs/")[2].split("/")[0]
    kept = tracking._download(f"runs:/{run_id}/monitor.html", tmp_path)
    assert kept.read_text(encoding="utf-8") == page
    assert alarm_of(found.windows, (), SETTINGS) is None


def test_a_full_local_disk_is_said_and_its_window_is_judged_later(
    watch: Watch, watched: WatchedVersion, store: ObjectStore
) -> None:
    """It was taken for an object that cannot be read, and its window stayed undetermined."""
    hour = START + timedelta(days=9)
    record(store, watched, hour, shifted(3_000))
    settings = store.settings
    said = without_room(lambda: judged(watch, hour, ObjectStore(settings)), most_bytes=1_000)
    assert "StoreError: no room on the local disk for temporary files in " in said
    assert "set TMPDIR to a folder on a larger disk" in said
    assert judged(watch, hour, store).rows == {"production": 3_000}


def test_predictions_with_the_bytes_of_others_are_not_counted(
    watch: Watch, watched: WatchedVersion, asked: list[Asked], store: ObjectStore
) -> None:
    hour = START + timedelta(days=10)
    by: dict[str, Any] = {
        "version": watched.version, "weights_sha256": watched.weights_sha256,
    }  # fmt: skip
    write_scored(store, LINE, hour, shifted(300), **by)
    write_scored(store, LINE, hour + timedelta(hours=1), steady(asked, 300), **by)
    (mine,), (others,) = (
        next(scored_objects(LINE, start, store)).predictions
        for start in (hour, hour + timedelta(hours=1))
    )
    store.put_bytes(mine.uri, store.get_bytes(others.uri))
    window = judged(watch, hour, store)
    assert window.verdict is Verdict.UNDETERMINED
    assert f"{mine.uri} was changed after it was written" in window.checks[0].reason


def test_windows_that_a_clock_ahead_has_judged_are_judged_when_they_have_ended(
    watch: Watch, watched: WatchedVersion, store: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    now = hour_of(2026, 12, 10, 12) + timedelta(minutes=15)
    record(store, watched, hour_of(2026, 12, 10, 12), shifted(200))  # of the hour that runs
    ahead = run_monitor(watch, now + timedelta(hours=3), store)
    assert ahead.judged[-1] == "2026-12-10T14:00Z"
    found = run_monitor(watch, now, store)  # the clock was set back
    assert "/2026/12/10/14.json was judged before its window has ended" in caplog.text
    assert [one.window.start.hour for one in found.windows][-1] == 11
    later = run_monitor(watch, now + timedelta(hours=1), store)
    assert later.judged == ("2026-12-10T12:00Z",)
    assert later.windows[-1].window.rows == {"production": 200}


def test_windows_that_have_ended_stay_where_a_setting_makes_the_next_ones_longer(
    watch: Watch, store: ObjectStore
) -> None:
    """They begin in the window that runs by the new setting, and were taken for judged ahead."""
    now = hour_of(2026, 12, 20, 12) + timedelta(minutes=15)
    judged_hours = run_monitor(watch, now, store).windows
    assert judged_hours[-1].window.start == hour_of(2026, 12, 20, 11)
    for changed in ({"window_hours": 24}, {"settle_minutes": 120}):
        settings = watch.settings.model_copy(update=changed)
        forget_the_future(watch.watched.line, now, settings, store)
    kept = read_windows(watch.watched.line, hour_of(2026, 12, 20, 0), now, store)
    assert kept[-1] == judged_hours[-1]


def test_a_line_whose_first_windows_were_judged_by_a_clock_ahead_is_watched(
    store: ObjectStore,
) -> None:
    line, now = "watched-too-early", hour_of(2026, 10, 1, 12) + timedelta(minutes=15)
    months = hour_of(2027, 3, 1, 5)
    store.put_bytes(window_uri(line, months, store), b"{}")
    assert due_windows(line, now, SETTINGS, store).windows == (hour_of(2026, 10, 1, 11),)
