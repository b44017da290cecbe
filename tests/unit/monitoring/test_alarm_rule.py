"""The level of a check: an alarm in a year without drift is as rare as it says, and not rarer."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binom

from infra.digests import digest_of
from infra.store import Artifact
from tasks.monitoring.alarm_rule import (
    HOURS_A_YEAR,
    at_least,
    failing_checks,
    permutations_needed,
    share_of_level,
    window_level,
)
from tasks.monitoring.alarms import alarm_of, new_alarms
from tasks.monitoring.settings import MonitorSettings
from tasks.records.monitoring import LabelledRows, WatchedWindow, Window, WindowCheck
from tasks.verdicts import ALPHA, Verdict
from tests.recorded_traffic import hour_of

SETTINGS = MonitorSettings()
START = hour_of(2026, 1, 1, 0)
NO_LABELS = LabelledRows(0, 0, 0, 0, (), ())
NOTHING = Artifact("", "", 0)


def window(place: int, *failing: str, version: int = 1, hours: int = 1) -> WatchedWindow:
    checks = tuple(
        WindowCheck(name, "", "below 1", 2.0, 2.0, 2.0, 0.0, 100, Verdict.FAIL, "")
        for name in failing
    )
    made = Window(
        "line", START + timedelta(hours=place * hours), hours, version, "", "", "",
        digest_of(SETTINGS), {}, 0, 0, 0, 0.001, {}, None, None, None, checks, Verdict.FAIL,
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
    raised = new_alarms(windows, (), SETTINGS, 1)
    assert [one.start for one in raised] == [START + timedelta(hours=h) for h in (2, 26)]
    assert new_alarms(windows, raised[:1], SETTINGS, 1) == raised[1:]
    assert new_alarms(windows, raised, SETTINGS, 1) == []
    # A version that is no longer in production needs no retraining; nor is a rule turned back.
    assert new_alarms(windows, (), SETTINGS, 2) == []
    other = SETTINGS.model_copy(update={"min_rows": 77})
    assert new_alarms(windows, (), other, 1) == []


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
