"""A step judged on requests in a real store: what passes, fails and is undetermined, and why."""

import uuid
from dataclasses import replace
from datetime import timedelta, timezone

import pyarrow as pa
import pytest

from infra.errors import SettingsError
from infra.store import ObjectStore
from tasks.canary.judging import judge_step
from tasks.records.canary import CanaryLook, CanaryStep
from tasks.records.recorded_requests import requests_schema
from tasks.registry.canary_settings import CanarySettings, CanaryStepSettings
from tasks.verdicts import GateResult, Verdict
from tests.unit.canary.canary_traffic import (
    LABELS,
    SINCE,
    answered,
    canary,
    many,
    say,
    versions,
    write,
)

NOW = SINCE + timedelta(hours=2)
FAILURES, SLOW = "canary.failure_increase", "canary.slow_increase"
QUALITY, DISAGREEMENT = "canary.quality_loss", "canary.disagreement"


def settings_of(share: float = 0.25, **changed: object) -> CanarySettings:
    step = CanaryStepSettings(share=share, hours=1, requests=200)
    given = {"steps": (step,), "max_failure_increase": 0.05, "max_slow_increase": 0.05} | changed
    return CanarySettings.model_validate(given)


@pytest.fixture
def step() -> CanaryStep:
    return canary(f"tried-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def shadow(step: CanaryStep) -> CanaryStep:
    return replace(step, share=0.0)


def look_at(
    step: CanaryStep, store: ObjectStore, settings: CanarySettings | None = None, **more: object
) -> CanaryLook:
    given = {"versions": versions(), "feedback_by": (), "at": NOW} | more
    return judge_step(step, settings or settings_of(step.share), store=store, **given)  # type: ignore[arg-type]


def gates(look: CanaryLook) -> dict[str, GateResult]:
    return {gate.metric: gate for gate in look.gates}


def test_an_equal_candidate_passes_once_the_step_has_lasted(
    step: CanaryStep, store: ObjectStore
) -> None:
    write(store, step.line, *many("production", 1_500))
    write(store, step.line, *many("canary", 600))
    look = look_at(step, store)
    assert (look.verdict, look.requests) == (Verdict.PASS, (1_500, 600)), look.reason
    assert gates(look)[FAILURES].verdict is Verdict.PASS
    assert gates(look)[QUALITY].verdict is Verdict.UNDETERMINED  # not asked for, so not waited for
    assert "max_quality_loss is not set" in gates(look)[QUALITY].reason
    soon = look_at(step, store, at=SINCE + timedelta(minutes=30))
    assert (soon.verdict, soon.gates) == (Verdict.UNDETERMINED, look.gates)
    assert "0.433 of 1 hours have passed since the candidate was asked first" in soon.reason
    many_asked = settings_of(steps=(CanaryStepSettings(share=0.25, hours=1, requests=601),))
    assert "600 of 601 requests" in look_at(step, store, many_asked).reason


def test_harm_stops_it_at_once(step: CanaryStep, store: ObjectStore) -> None:
    write(store, step.line, *many("production", 300))
    write(store, step.line, *many("canary", 100, failed=30))
    look = look_at(step, store, at=SINCE + timedelta(minutes=10))
    assert look.verdict is Verdict.FAIL
    assert look.reason.startswith(f"{FAILURES} fails: all of [0.1")
    failed = gates(look)[FAILURES]
    assert (failed.value, failed.n) == (0.3, 100)
    assert failed.low is not None
    assert failed.low > 0.05


def test_slow_answers_are_counted_by_the_setting(step: CanaryStep, store: ObjectStore) -> None:
    write(store, step.line, *many("production", 300))
    write(store, step.line, *many("canary", 150, slow=60))
    assert gates(look_at(step, store))[SLOW].verdict is Verdict.FAIL
    assert gates(look_at(step, store, settings_of(slow_ms=5_000)))[SLOW].value == 0


def test_what_is_missing_is_undetermined(step: CanaryStep, store: ObjectStore) -> None:
    nothing = look_at(step, store)
    assert (nothing.verdict, nothing.requests) == (Verdict.UNDETERMINED, (0, 0))
    assert {gate.verdict for gate in nothing.gates} == {Verdict.UNDETERMINED}
    write(store, step.line, *many("canary", 5_000))
    alone = look_at(step, store)
    assert (alone.verdict, alone.requests) == (Verdict.UNDETERMINED, (0, 5_000))
    soon = look_at(step, store, at=SINCE + timedelta(seconds=100))
    assert (soon.verdict, soon.gates) == (Verdict.UNDETERMINED, ())
    assert "canary.settle_s" in soon.reason


def test_an_object_that_cannot_be_read_is_no_reason_to_pass(
    step: CanaryStep, store: ObjectStore
) -> None:
    write(store, step.line, *many("production", 1_500))
    uri = write(store, step.line, *many("canary", 600))
    broken = uri.replace(".parquet", "-cut.parquet")
    store.put_bytes(broken, store.get_bytes(uri)[:900])
    look = look_at(step, store)
    assert look.verdict is Verdict.UNDETERMINED
    assert broken in look.reason


def test_requests_of_others_do_not_count(step: CanaryStep, store: ObjectStore) -> None:
    """Of before the step, of other versions, roles and weights, and too young ones."""
    write(store, step.line, *many("production", 400))
    write(store, step.line, *many("canary", 400))
    before = look_at(step, store)
    strangers = many("canary", 30, failed=30, prefix="other")
    early = [replace(one, received_at=SINCE - timedelta(seconds=1)) for one in strangers]
    write(store, step.line, *early)
    write(store, step.line, *[replace(one, version=9) for one in strangers])
    write(store, step.line, *[replace(one, role="shadow") for one in strangers])
    late = NOW - timedelta(seconds=179)
    write(store, step.line, *[replace(one, received_at=late) for one in strangers])
    assert look_at(step, store).gates == before.gates
    write(store, step.line, *[replace(one, weights_sha256="d" * 64) for one in strangers])
    tampered = look_at(step, store)
    assert tampered.gates == before.gates
    assert tampered.verdict is Verdict.UNDETERMINED
    assert "30 rows are recorded under the number of a version that is compared" in tampered.reason


def test_production_that_was_of_other_weights_meanwhile_is_no_reason_to_pass(
    step: CanaryStep, store: ObjectStore
) -> None:
    rows = many("production", 1_500, failed=1_500)
    write(store, step.line, *[replace(one, weights_sha256="d" * 64) for one in rows])
    write(store, step.line, *many("production", 1_500, prefix="own"))
    write(store, step.line, *many("canary", 600))
    look = look_at(step, store)
    assert (look.verdict, look.requests) == (Verdict.UNDETERMINED, (1_500, 600))
    assert "1500 rows are recorded under the number of a version" in look.reason


def test_requests_count_from_the_first_one_that_the_candidate_was_asked(
    step: CanaryStep, store: ObjectStore
) -> None:
    """Servers take notice of a step some seconds after it began."""
    write(store, step.line, *many("production", 100, failed=100, prefix="early"))
    asked = [replace(one, received_at=SINCE + timedelta(minutes=90)) for one in many("canary", 300)]
    write(store, step.line, *asked)
    later = [
        replace(one, received_at=SINCE + timedelta(minutes=91)) for one in many("production", 300)
    ]
    write(store, step.line, *later)
    look = look_at(step, store)
    assert look.requests == (300, 300)
    assert gates(look)[FAILURES].value == 0


def test_a_step_lasts_from_the_first_request_that_the_candidate_was_asked(
    step: CanaryStep, store: ObjectStore
) -> None:
    """Hours in which no server could ask it are none in which it was tried."""
    for role in ("production", "canary"):
        rows = [replace(one, received_at=SINCE + timedelta(hours=30)) for one in many(role, 1_500)]
        write(store, step.line, *rows)
    look = look_at(step, store, at=SINCE + timedelta(hours=30, minutes=30))
    assert look.verdict is Verdict.UNDETERMINED
    assert "0.45 of 1 hours" in look.reason
    assert look_at(step, store, at=SINCE + timedelta(hours=32)).verdict is Verdict.PASS


def test_what_comes_after_the_time_of_a_canary_does_not_count(
    step: CanaryStep, store: ObjectStore
) -> None:
    """From then on the candidate is asked nothing, so that no hour is one in which it was tried."""
    write(store, step.line, *many("production", 1_500))
    write(store, step.line, *many("canary", 600))
    late = [
        replace(one, received_at=SINCE + timedelta(hours=1))
        for one in many("production", 900, prefix="late")
    ]
    write(store, step.line, *late)
    short = settings_of(max_days=0.5 / 24)
    look = look_at(step, store, short, at=SINCE + timedelta(days=3))
    assert (look.verdict, look.requests) == (Verdict.UNDETERMINED, (1_500, 600))
    assert "0.483 of 1 hours" in look.reason


def test_what_production_answers_in_place_of_the_candidate_is_the_candidates(
    step: CanaryStep, store: ObjectStore
) -> None:
    write(store, step.line, *many("production", 300))
    write(store, step.line, *many("canary", 200, failed=20))
    before = gates(look_at(step, store))
    instead = [
        replace(one, role="production", version=7, error="", latency_ms=9_000.0)
        for one in many("canary", 20)
    ]
    write(store, step.line, *instead)
    assert gates(look_at(step, store)) == before


def test_a_step_that_says_its_time_in_another_zone_is_read_to_its_end(
    step: CanaryStep, store: ObjectStore
) -> None:
    """Half an hour off, its hours are not those of the folders."""
    for role in ("production", "canary"):
        late = [
            replace(one, received_at=SINCE + timedelta(minutes=45), role=role)
            for one in many(role, 30)
        ]
        write(store, step.line, *late)
    there = timezone(timedelta(hours=5, minutes=30))
    other = replace(step, since=SINCE.astimezone(there).isoformat())
    soon = (SINCE + timedelta(minutes=50)).astimezone(there)
    assert look_at(other, store, settings_of(settle_s=0), at=soon).requests == (30, 30)


def test_the_order_and_the_cut_of_objects_change_nothing(
    step: CanaryStep, store: ObjectStore
) -> None:
    rows = [*many("production", 300, failed=5), *many("canary", 150, failed=4, slow=9)]
    write(store, step.line, *rows)
    once = look_at(step, store)
    other = replace(step, line=f"{step.line}-cut")
    for start in range(0, 450, 90):
        write(store, other.line, *reversed(rows[start : start + 90]))
    again = look_at(other, store)
    assert (again.gates, again.points) == (once.gates, once.points)


def test_the_rows_of_a_request_are_one_observation(step: CanaryStep, store: ObjectStore) -> None:
    """However many they are, and in however many objects they lie."""
    write(store, step.line, *many("production", 200))
    write(store, step.line, *many("canary", 200, failed=10))
    single = gates(look_at(step, store))[FAILURES]
    other = replace(step, line=f"{step.line}-rows")
    for row in range(4):
        for role, failed in (("production", 0), ("canary", 10)):
            rows = many(role, 200, failed=failed, row=row)
            write(store, other.line, *rows)
    assert gates(look_at(other, store))[FAILURES] == single


def test_shadow_compares_request_by_request(shadow: CanaryStep, store: ObjectStore) -> None:
    """What is slow or fails with both versions is no increase, and widens nothing."""
    write(store, shadow.line, *many("production", 800, failed=200, prefix="r"))
    write(store, shadow.line, *many("shadow", 800, failed=200, prefix="r"))
    look = look_at(shadow, store)
    failed = gates(look)[FAILURES]
    assert (failed.value, failed.verdict, failed.n) == (0, Verdict.PASS, 800)
    assert failed.high is not None
    assert failed.high < 0.012
    assert look.verdict is Verdict.PASS
    assert DISAGREEMENT not in gates(look)


def test_disagreement_is_asked_of_a_shadow_alone(shadow: CanaryStep, store: ObjectStore) -> None:
    write(store, shadow.line, *many("production", 400, failed=40, prefix="r"))
    agreeing = many("shadow", 400, prefix="r")
    write(store, shadow.line, *agreeing[:380])
    write(store, shadow.line, *many("shadow", 400, prefix="r", label="tech")[380:])
    asked = settings_of(0.0, max_disagreement=0.2)
    gate = gates(look_at(shadow, store, asked))[DISAGREEMENT]
    # The 40 that production failed are compared with nothing.
    assert (gate.value, gate.n, gate.verdict) == (pytest.approx(20 / 360), 360, Verdict.PASS)
    assert (
        gates(look_at(shadow, store, settings_of(0.0, max_disagreement=0.01)))[DISAGREEMENT].verdict
        is Verdict.FAIL
    )
    numbers = replace(shadow, line=f"{shadow.line}-numbers")
    for role in ("production", "shadow"):
        rows = [replace(one, answer='{"score": 3.25}') for one in many(role, 300, prefix="r")]
        write(store, numbers.line, *rows)
    gate = gates(look_at(numbers, store, asked))[DISAGREEMENT]
    assert gate.verdict is Verdict.UNDETERMINED
    assert "300 requests lack answers to compare" in gate.reason


def test_labels_stop_a_canary_and_are_waited_for_where_it_is_asked(
    step: CanaryStep, store: ObjectStore
) -> None:
    write(store, step.line, *many("production", 400))
    write(store, step.line, *many("canary", 400))
    say(store, step.line, [(f"production-{place}", 0, "sport") for place in range(200)])
    asked = settings_of(max_quality_loss=0.3)
    assert look_at(step, store).verdict is Verdict.PASS
    waiting = look_at(step, store, asked)
    assert waiting.verdict is Verdict.UNDETERMINED
    assert "no labels have come for requests of both versions" in waiting.reason
    say(store, step.line, [(f"canary-{place}", 0, "sport") for place in range(100)], 30)
    assert look_at(step, store, asked).verdict is Verdict.PASS
    say(store, step.line, [(f"canary-{place}", 0, "tech") for place in range(100, 250)], 40)
    look = look_at(step, store)
    assert (look.verdict, gates(look)[QUALITY].n) == (Verdict.FAIL, 250)
    assert gates(look)[QUALITY].value == pytest.approx(0.6)


def test_labels_of_others_than_those_that_are_named_do_not_count(
    step: CanaryStep, store: ObjectStore
) -> None:
    """Nobody else can have a candidate pass, or stop it, nor speak before those that are named."""
    names = {role: [f"{role}-{place}" for place in range(200)] for role in ("production", "canary")}
    for role, requests in names.items():
        write(store, step.line, *many(role, 400))
        say(store, step.line, [(name, 0, "sport") for name in requests], 5, by="stranger")
    asked = settings_of(max_quality_loss=0.3)
    assert look_at(step, store, asked).verdict is Verdict.PASS
    waiting = look_at(step, store, asked, feedback_by=("Ada", "Bob"))
    assert waiting.verdict is Verdict.UNDETERMINED
    assert gates(waiting)[QUALITY].reason.endswith("labels by Ada or Bob alone count")
    say(store, step.line, [(name, 0, "sport") for name in names["production"]], 8)
    say(store, step.line, [(name, 0, "tech") for name in names["canary"]], 9, by="Bob")
    assert gates(look_at(step, store, asked))[QUALITY].value == 0
    harm = look_at(step, store, asked, feedback_by=("Ada", "Bob"))
    assert (harm.verdict, gates(harm)[QUALITY].value) == (Verdict.FAIL, 1)


def test_of_a_class_that_a_candidate_lacks_it_is_wrong(
    step: CanaryStep, store: ObjectStore
) -> None:
    """The labels of production are labels as well, though the candidate can give none of them."""
    write(store, step.line, *many("production", 400, label="sport"))
    write(store, step.line, *many("canary", 400, label="tech"))
    for role in ("production", "canary"):
        say(store, step.line, [(f"{role}-{place}", 0, "sport") for place in range(200)])
    lacking = versions(labels=("business", "tech"), production_labels=LABELS)
    look = look_at(step, store, versions=lacking)
    assert (look.verdict, gates(look)[QUALITY].value) == (Verdict.FAIL, 1)


def test_of_each_request_the_labels_that_came_first_count(
    step: CanaryStep, store: ObjectStore
) -> None:
    """What one look has counted is not something else at the next."""
    for role in ("production", "canary"):
        for row in range(2):
            write(store, step.line, *many(role, 40, row=row))
        say(store, step.line, [(f"{role}-{place}", 0, "sport") for place in range(40)], 5)
    first = gates(look_at(step, store))[QUALITY]
    assert (first.value, first.n) == (0, 40)
    say(store, step.line, [(f"canary-{place}", 0, "tech") for place in range(40)], 6)
    say(store, step.line, [(f"canary-{place}", 1, "tech") for place in range(40)], 7)
    say(store, step.line, [("nobody", 0, "tech"), ("canary-3", 9, "tech")], 8)
    assert gates(look_at(step, store))[QUALITY] == first
    two = replace(step, line=f"{step.line}-two")
    for role in ("production", "canary"):
        for row in range(2):
            write(store, two.line, *many(role, 40, row=row))
    say(store, two.line, [("production-1", 0, "sport")])
    say(store, two.line, [("canary-1", 0, "sport"), ("canary-1", 1, "tech")])
    assert gates(look_at(two, store))[QUALITY].value == 0.5


def test_a_row_without_an_answer_is_wrong_and_an_unreadable_one_may_be_either(
    step: CanaryStep, store: ObjectStore
) -> None:
    write(store, step.line, *many("production", 50))
    write(store, step.line, *many("canary", 50, failed=10))
    unreadable = [replace(one, answer="{") for one in many("canary", 20, prefix="unreadable")]
    write(store, step.line, *unreadable)
    named = [f"production-{n}" for n in range(50)] + [f"canary-{n}" for n in range(50)]
    say(store, step.line, [(name, 0, "sport") for name in named])
    known = gates(look_at(step, store))[QUALITY]
    assert known.value == pytest.approx(0.2)
    say(store, step.line, [(one.request_id, 0, "sport") for one in unreadable], 3)
    gate = gates(look_at(step, store))[QUALITY]
    assert "20 requests lack a readable answer" in gate.reason
    assert gate.value == pytest.approx((10 / 70 + 30 / 70) / 2)


def test_latencies_that_are_missing_never_pass(step: CanaryStep, store: ObjectStore) -> None:
    write(store, step.line, *many("production", 1_500))
    unknown = [replace(one, latency_ms=float("nan")) for one in many("canary", 600)]
    write(store, step.line, *unknown)
    gate = gates(look_at(step, store))[SLOW]
    assert (gate.verdict, gate.value) == (Verdict.UNDETERMINED, 0.5)
    assert "600 requests lack latency" in gate.reason


def test_objects_of_before_errors_were_recorded_are_taken_as_answered(
    step: CanaryStep, store: ObjectStore
) -> None:
    names = [name for name in requests_schema().names if name != "error"]
    old = pa.schema([requests_schema().field(name) for name in names])
    write(store, step.line, *many("production", 300), schema=old)
    write(store, step.line, *many("canary", 300))
    assert gates(look_at(step, store))[FAILURES].value == 0


def test_alpha_is_divided_over_all_gates_of_all_steps(step: CanaryStep, store: ObjectStore) -> None:
    write(store, step.line, answered("a", "production"), answered("b", "canary"))
    steps = tuple(CanaryStepSettings(share=share) for share in (0, 0.25, 0.5))
    asked = settings_of(steps=steps, max_disagreement=0.1, alpha=0.1)
    gate = gates(look_at(replace(step, number=2), store, asked))[FAILURES]
    assert gate.confidence == pytest.approx(1 - 0.1 / 10)  # 4 of the shadow, 3 of each other


def test_settings_without_such_a_step_are_refused(step: CanaryStep, store: ObjectStore) -> None:
    with pytest.raises(SettingsError, match=r"step 2 with share 0.25.*shares 0.25"):
        look_at(replace(step, number=2), store)
    with pytest.raises(SettingsError, match=r"step 1 with share 0\.5"):
        look_at(replace(step, share=0.5), store, settings_of(0.25))


def test_a_task_type_without_one_label_a_row_says_so(step: CanaryStep, store: ObjectStore) -> None:
    write(store, step.line, *many("production", 1_500))
    write(store, step.line, *many("canary", 600))
    look = look_at(step, store, versions=versions("translation", ()))
    assert look.verdict is Verdict.PASS
    assert "translation are not held against labels" in gates(look)[QUALITY].reason


def test_the_points_of_a_step_end_at_what_its_gates_say(
    step: CanaryStep, store: ObjectStore
) -> None:
    write(store, step.line, *many("production", 300))
    late = [replace(one, received_at=SINCE + timedelta(hours=1)) for one in many("canary", 100)]
    write(store, step.line, *many("canary", 20, prefix="soon"))
    write(store, step.line, *late)
    look = look_at(step, store)
    points = [one for one in look.points if one.metric == FAILURES]
    gate = gates(look)[FAILURES]
    assert (points[-1].value, points[-1].low, points[-1].high) == (gate.value, gate.low, gate.high)
    counts = [one.requests for one in points]
    assert counts == sorted(counts)
    assert counts[0][1] == 20
    assert counts[-1] == (300, 120)
