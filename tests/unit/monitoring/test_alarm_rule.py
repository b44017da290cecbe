"""The level of a check: an alarm in a year without drift is as rare as it says, and not rarer."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binom

from infra.store import Artifact
from tasks.evaluation.settings import EvaluationSettings
from tasks.fairness.settings import FairnessSettings
from tasks.monitoring.alarm_rule import (
    HOURS_A_YEAR,
    at_least,
    failing_checks,
    permutations_needed,
    share_of_level,
    window_level,
)
from tasks.monitoring.alarms import alarm_of, new_alarms
from tasks.monitoring.judging import Watch
from tasks.monitoring.labelled_rows import LabelPolicy
from tasks.monitoring.reference import Reference
from tasks.monitoring.settings import MonitorSettings
from tasks.records.monitoring import (
    LabelledRows,
    WatchedVersion,
    WatchedWindow,
    Window,
    WindowCheck,
)
from tasks.verdicts import ALPHA, Gate, Verdict
from tests.recorded_traffic import hour_of

SETTINGS = MonitorSettings()
START = hour_of(2026, 1, 1, 0)
NO_LABELS = LabelledRows(0, 0, 0, 0, (), ())
NOTHING = Artifact("", "", 0)
# Digest of the settings that decide.
BY = "as today"


def window(
    place: int, *failing: str, version: int = 1, hours: int = 1, by: str = BY
) -> WatchedWindow:
    checks = tuple(
        WindowCheck(name, "", "below 1", 2.0, 2.0, 2.0, 0.0, 100, Verdict.FAIL, "")
        for name in failing
    )
    made = Window(
        "line", START + timedelta(hours=place * hours), hours, version, "", "", "",
        by, {}, 0, 0, 0, 0.001, {}, None, None, None, checks, Verdict.FAIL,
        NO_LABELS,
    )  # fmt: skip
    return WatchedWindow(made, NO_LABELS)


@given(n=st.integers(1, 24), k=st.integers(1, 24), level=st.floats(0.0001, 0.5))
def test_the_tail_is_that_of_scipy(n: int, k: int, level: float) -> None:
    k = min(k, n)
    assert at_least(k, n, level) == pytest.approx(binom.sf(k - 1, n, level), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("k", "n", "hours"), [(3, 5, 1), (1, 1, 24), (5, 8, 1), (2, 2, 6)])
def test_the_level_spends_the_year_and_no_more(k: int, n: int, hours: int) -> None:
    level = window_level(0.05, 9, hours, k, n)
    spent = HOURS_A_YEAR / hours * 9 * binom.sf(k - 1, n, level)
    assert spent == pytest.approx(0.05, rel=1e-6)
    assert 1 / (permutations_needed(level) + 1) < level
    assert ALPHA / share_of_level(level) / 2 <= level


@pytest.mark.parametrize(("k", "n", "checks"), [(3, 5, 7), (2, 3, 9), (4, 6, 20)])
def test_ten_thousand_years_without_drift(k: int, n: int, checks: int) -> None:
    """Windows of a day, p-values of no drift: the share of years with an alarm is at most alpha.

    It is near alpha as well, so that the level gives nothing away: overlapping windows are what the
    union bound counts twice.
    """
    years, days, alpha = 10_000, 365, 0.2
    level = window_level(alpha, checks, 24, k, n)
    random = np.random.default_rng(7)
    alarms = np.zeros(years, np.bool_)
    for _ in range(checks):
        fails = random.random((years, days)) < level
        sums = np.cumsum(np.pad(fails, ((0, 0), (1, 0))), axis=1, dtype=np.int32)
        counted = sums[:, n:] - sums[:, :-n]
        alarms |= (counted >= k).any(axis=1)
    seen, error = alarms.mean(), (alpha * (1 - alpha) / years) ** 0.5
    assert seen <= alpha + 3 * error
    assert seen >= alpha / n


def test_the_same_check_must_fail_in_k_of_the_last_n() -> None:
    windows = [window(0, "a"), window(1, "a", "b"), window(2), window(3, "b"), window(4, "a")]
    assert failing_checks(windows, 3, 5) == {"a": 3}
    assert failing_checks(windows, 2, 5) == {"a": 3, "b": 2}
    assert failing_checks(windows, 2, 4) == {"a": 2, "b": 2}
    assert failing_checks(windows, 3, 4) == {}
    assert failing_checks([], 1, 1) == {}


def test_two_gates_on_one_metric_are_one_check_of_a_window() -> None:
    twice = [window(0, "quality.recall", "quality.recall"), window(1, "quality.recall")]
    assert failing_checks(twice, 3, 5) == {}
    assert failing_checks(twice, 2, 5) == {"quality.recall": 2}


def test_a_gap_takes_its_places_and_another_version_does_not_count() -> None:
    """The last n windows are so many hours, be they judged or not."""
    assert failing_checks([window(0, "a"), window(1, "a"), window(5, "a")], 3, 5) == {}
    assert failing_checks([window(1, "a"), window(2, "a"), window(5, "a")], 3, 5) == {"a": 3}
    changed = [window(0, "a"), window(1, "a"), window(2, "a", version=2)]
    assert failing_checks(changed, 3, 5) == {}


def test_windows_that_were_judged_by_other_settings_do_not_count() -> None:
    """Their limits and their level were others, so that the bound on false alarms is not theirs."""
    before = [window(0, "a", by="a lower limit"), window(1, "a", by="a lower limit")]
    assert failing_checks([*before, window(2, "a")], 3, 5) == {}
    assert failing_checks([*before, *(window(place, "a") for place in (2, 3, 4))], 3, 5) == {"a": 3}


def test_what_decides_nothing_leaves_the_windows_comparable() -> None:
    """The settings that decide are those of the monitor, the gates, and how they are measured."""
    reference = Reference("none", "none", None)
    version = WatchedVersion("line", 1, "", "classification", ("a", "b"), NOTHING, NOTHING)

    def by(settings: MonitorSettings = SETTINGS, **of_policy: Any) -> str:
        policy = LabelPolicy((), EvaluationSettings(), FairnessSettings())
        return Watch(version, reference, replace(policy, **of_policy), settings).settings_sha256

    for changed in ("cool_down_hours", "settle_minutes", "catch_up_windows", "chart_windows"):
        assert by(SETTINGS.model_copy(update={changed: 77})) == by()
    assert by(evaluation=EvaluationSettings(seeds=3)) == by()
    gate = Gate(metric="quality.accuracy", at_least=0.5)
    others = [
        by(SETTINGS.model_copy(update={"min_rows": 77})),
        by(SETTINGS.model_copy(update={"feedback_by": ("Ada",)})),
        by(gates=(gate,)),
        by(gates=(gate.model_copy(update={"at_least": 0.6}),)),
        by(evaluation=EvaluationSettings(min_label_rows=11)),
        by(fairness=FairnessSettings(min_group_rows=31)),
    ]
    assert len({by(), *others}) == 1 + len(others)


def test_an_alarm_cools_down() -> None:
    windows = [window(place, "drift.a") for place in range(40)]
    first = alarm_of(windows[:3], (), SETTINGS)
    assert first is not None
    assert (first.checks, first.start) == (("drift.a",), START + timedelta(hours=2))
    assert alarm_of(windows[:3], (), SETTINGS) == first
    assert alarm_of(windows[:26], [first], SETTINGS) is None
    second = alarm_of(windows[:27], [first], SETTINGS)
    assert second is not None
    assert second.start == START + timedelta(hours=26)
    # Labels that come late for an earlier window raise none in the hours before an alarm either.
    assert alarm_of(windows[:3], [second], SETTINGS) is not None
    assert (
        alarm_of(windows[:4], [replace(second, start=START + timedelta(hours=9))], SETTINGS) is None
    )


def test_alarms_follow_from_the_records_alone() -> None:
    windows = [window(place, "drift.a") for place in range(40)]
    raised = new_alarms(windows, (), SETTINGS, 1, BY)
    assert [one.start for one in raised] == [START + timedelta(hours=h) for h in (2, 26)]
    assert new_alarms(windows, raised[:1], SETTINGS, 1, BY) == raised[1:]
    assert new_alarms(windows, raised, SETTINGS, 1, BY) == []
    # A version that is no longer in production needs no retraining; nor is a rule turned back.
    assert new_alarms(windows, (), SETTINGS, 2, BY) == []
    assert new_alarms(windows, (), SETTINGS, 1, "others") == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 6, "n": 5}, "set n to at least 6"),
        ({"k": 1, "n": 1}, "set permutations to at least 1"),
        ({"k": 2, "n": 5, "permutations": 299}, "monitor.permutations 299"),
        ({"label_waits_hours": (48, 24)}, "must rise"),
        ({"window_hours": 5}, "1, 2, 3, 4, 6, 8, 12 or 24"),
    ],
)
def test_settings_that_could_never_call_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        MonitorSettings.model_validate(settings)


def test_counts_of_a_window_s_labels_share_its_level() -> None:
    """A window whose labels are counted three times fails at any of them as rarely as at one."""
    random, level = np.random.default_rng(3), 0.05
    settings = SETTINGS.model_copy(update={"k": 1, "n": 1, "window_hours": 24})
    alpha = level * 8 * HOURS_A_YEAR / 24  # so that the level of a window is that
    settings = settings.model_copy(update={"false_alarms_a_year": alpha})
    assert settings.level(1) == pytest.approx(level)
    assert settings.level_of_labels(1) == pytest.approx(level / 3)
    fails = random.random((200_000, 3)) < settings.level_of_labels(1)
    assert fails.any(axis=1).mean() <= level
    once = settings.model_copy(update={"label_waits_hours": ()})
    assert once.level_of_labels(1) == once.level(1)


def test_more_gates_ask_for_a_smaller_level() -> None:
    assert SETTINGS.level(10) < SETTINGS.level(1)
    few = MonitorSettings(permutations=299)
    assert few.why_never() == ""
    assert "set permutations to at least" in few.why_never(20)
