"""When windows together are an alarm, and how rare that is where nothing has changed.

An alarm is raised where one and the same check fails in k of the last n windows. In a year there
are as many places for n windows as there are windows, and every check may raise it. By the union
bound the probability of any alarm in a year in which nothing changes is at most

    windows a year * checks * P(Binomial(n, a) >= k)

where a is the level at which one check of one window is called. `window_level` solves it for a. The
bound holds however the checks depend on each other; windows must be independent of one another.
docs/decisions/0043-monitoring.md says what was simulated where they share a reference.
"""

from collections import Counter
from collections.abc import Sequence
from math import ceil, comb
from typing import Final

from tasks.records.monitoring import WatchedWindow
from tasks.verdicts import ALPHA, Verdict

HOURS_A_YEAR: Final = 8_766  # 365.25 days
_STEPS: Final = 200


def at_least(k: int, n: int, level: float) -> float:
    """Probability that k or more of n independent windows fail, each with this probability."""
    return sum(comb(n, j) * level**j * (1 - level) ** (n - j) for j in range(k, n + 1))


def window_level(alpha: float, checks: int, window_hours: int, k: int, n: int) -> float:
    """The level of one check in one window.

    Args:
        alpha: most probability of any false alarm in a year.
        checks: that may raise an alarm.
        window_hours: length of a window.
        k: windows that must fail.
        n: among which.

    """
    budget = alpha / (checks * HOURS_A_YEAR / window_hours)
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if at_least(k, n, middle) <= budget else (low, middle)
    return low


def permutations_needed(level: float) -> int:
    """So many that the least p-value, one over one more than these, lies below the level."""
    return ceil(1 / level)


def share_of_level(level: float) -> int:
    """The number k of an interval at ``1 - ALPHA / k`` whose one tail is at most the level."""
    return max(1, ceil(ALPHA / (2 * level) - 1e-9))


def failing_checks(windows: Sequence[WatchedWindow], k: int, n: int) -> dict[str, int]:
    """Checks that fail in k or more of the last n windows, the newest among them, and in how many.

    A window that the newest one's version was not judged in does not count: it was held against
    another reference. Nor does one that was judged by other settings, whose limits and level were
    others; nor one that has nothing to say; it takes a place among the n. Where two
    gates of a policy stand on one metric, a window that fails both counts once.

    Args:
        windows: oldest first, one for each span of time that was judged.
        k: windows that must fail.
        n: among which.

    """
    if not windows:
        return {}
    newest = windows[-1]
    hours, by = newest.window.hours, _judged_by(newest)
    since = newest.window.start.timestamp() - (n - 1) * hours * 3_600
    counted = Counter(
        name
        for one in windows
        if _judged_by(one) == by and one.window.start.timestamp() >= since
        for name in {check.name for check in one.checks if check.verdict is Verdict.FAIL}
    )
    return {name: times for name, times in counted.items() if times >= k}


def _judged_by(one: WatchedWindow) -> tuple[int, str]:
    return one.window.version, one.window.settings_sha256
