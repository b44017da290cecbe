"""Intervals of group metrics by resampling counts, against the bootstrap of fairlearn.

Four metrics (accuracy, selection rate, true and false positive rate) of 20 groups, on the same
rows. Ours counts the time from the column of group names to the ends of the intervals; that of
fairlearn's MetricFrame is what a repeat adds to its point values. What is measured:

- `bootstrap_1m_s` (lower is better): seconds for 1,000 repeats over 1,000,000 rows.
- `bootstrap_vs_fairlearn` (higher is better): fairlearn's seconds a repeat over ours.
- `interval_gap` (about 1): on fewer rows, how far the ends lie apart, root mean square, in units of
  the Monte Carlo error of both sides.

The point values must be equal, and `interval_gap` at most 1.5, or the benchmark ends in an error.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
from fairlearn import metrics as fl
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score

from tasks.fairness.rates import (
    Outcomes,
    Rate,
    accuracy_rate,
    collapse_outcomes,
    false_positive_rate,
    group_draws,
    group_values,
    selection_rate,
    true_positive_rate,
)
from tasks.protected_groups.memberships import column_groups
from tasks.resampling import Floats, generator

Found = TypeVar("Found")

GROUPS: Final = 20
REPEATS: Final = 1_000
ENDS: Final = (0.025, 0.975)
# The standard error of the 2.5% point of B draws of a normal quantity, in its standard deviations
# times the root of B: sqrt(q (1 - q)) / density.
QUANTILE_ERROR: Final = float(np.sqrt(ENDS[0] * ENDS[1]) / 0.05845)
MAX_GAP: Final = 1.5
OURS: Final[dict[str, Callable[[Outcomes], Rate]]] = {
    "accuracy": accuracy_rate,
    "selection_rate": lambda outcomes: selection_rate(outcomes, 1),
    "true_positive_rate": lambda outcomes: true_positive_rate(outcomes, 1),
    "false_positive_rate": lambda outcomes: false_positive_rate(outcomes, 1),
}
THEIRS: Final[dict[str, Callable[..., Any]]] = {
    "accuracy": accuracy_score,
    "selection_rate": fl.selection_rate,
    "true_positive_rate": fl.true_positive_rate,
    "false_positive_rate": fl.false_positive_rate,
}


@dataclass(frozen=True)
class Rows:
    """Group names, true and predicted labels, each of shape (N,)."""

    groups: pa.Array
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]


@dataclass(frozen=True)
class Intervals:
    """Of each metric and group: value (M, G), ends (2, M, G) and standard deviation (M, G)."""

    values: Floats
    ends: Floats
    spread: Floats


def measure(
    rows: int = 1_000_000, peer_repeats: int = 2, check_rows: int = 8_000, check_repeats: int = 200
) -> dict[str, float]:
    """Seconds, their ratio, and how well the intervals agree.

    Args:
        rows: of the timed comparison.
        peer_repeats: bootstrap repeats that fairlearn is timed with.
        check_rows: rows on which the intervals are compared.
        check_repeats: fairlearn's repeats there.

    """
    big = draw_rows(rows)
    seconds, found = _timed(lambda: ours(big, REPEATS))
    plain_s, values = _timed(lambda: theirs(big, None))
    boot_s, _ = _timed(lambda: theirs(big, peer_repeats))
    if not np.allclose(found.values, _table(values.by_group), rtol=0, atol=1e-12):
        raise SystemExit("the point values are not those of fairlearn")
    peer_s = (boot_s - plain_s) / peer_repeats
    _say(f"{rows:,} rows, point values equal: {seconds:.2f} s for {REPEATS:,} repeats")
    _say(f"fairlearn: {peer_s:.2f} s for one")
    gap = interval_gap(draw_rows(check_rows), check_repeats)
    return {
        "bootstrap_1m_s": seconds * 1_000_000 / rows,
        "bootstrap_vs_fairlearn": peer_s / (seconds / REPEATS),
        "bootstrap_rows": float(rows),
        "fairlearn_s_per_repeat": peer_s,
        "interval_gap": gap,
    }


def interval_gap(rows: Rows, repeats: int) -> float:
    """Root mean square of the distance of the ends, in units of the Monte Carlo error."""
    own = ours(rows, 10 * repeats)
    low, high = (_table(ends) for ends in theirs(rows, repeats).by_group_ci)
    error = own.spread * QUANTILE_ERROR * np.sqrt(1 / repeats + 1 / (10 * repeats))
    gap = float(np.sqrt(np.mean(((own.ends - np.stack([low, high])) / error) ** 2)))
    _say(f"ends of the intervals lie {gap:.2f} Monte Carlo errors apart")
    if gap > MAX_GAP:
        raise SystemExit(f"the intervals differ by {gap:.2f} Monte Carlo errors from fairlearn's")
    return gap


def draw_rows(count: int, seed: int = 0) -> Rows:
    """Twenty groups of unequal size, with an accuracy of their own each."""
    random = np.random.default_rng(seed)
    shares = np.linspace(1, 3, GROUPS)
    group = random.choice(GROUPS, count, p=shares / shares.sum())
    truth = random.integers(0, 2, count)
    right = random.random(count) < 0.7 + 0.01 * group
    names = pa.DictionaryArray.from_arrays(group, [f"group {n:02d}" for n in range(GROUPS)])
    return Rows(names.cast(pa.string()), truth, np.where(right, truth, 1 - truth))


def ours(rows: Rows, repeats: int) -> Intervals:
    """From rows to percentile intervals, as the assessment makes them."""
    member = column_groups("group", rows.groups)
    outcomes = collapse_outcomes(member.groups, member.rows, rows.truth, rows.predicted, 2)
    rates = [rate(outcomes) for rate in OURS.values()]
    draws = np.stack(
        [
            group_draws(rate, outcomes, repeats, generator(0, name))
            for name, rate in zip(OURS, rates, strict=True)
        ]
    )  # (M, R, G)
    values = np.stack([group_values(rate, outcomes) for rate in rates])
    return Intervals(values, np.quantile(draws, ENDS, axis=1), draws.std(axis=1))


def theirs(rows: Rows, repeats: int | None) -> Any:
    """Fairlearn's MetricFrame, with a bootstrap or without."""
    bootstrap: dict[str, Any] = {}
    if repeats:
        bootstrap = {"n_boot": repeats, "ci_quantiles": list(ENDS), "random_state": 0}
    return fl.MetricFrame(
        metrics=THEIRS,
        y_true=rows.truth,
        y_pred=rows.predicted,
        sensitive_features=rows.groups.to_numpy(zero_copy_only=False),
        **bootstrap,
    )


def _table(frame: Any) -> Floats:
    return np.asarray(frame[list(THEIRS)].to_numpy(), dtype=np.float64).T


def _timed(work: Callable[[], Found]) -> tuple[float, Found]:
    begin = time.perf_counter()
    found = work()
    return time.perf_counter() - begin, found


def _say(text: str) -> None:
    print(f"intervals: {text}", file=sys.stderr, flush=True)
