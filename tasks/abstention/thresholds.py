"""Thresholds on the score of an answer, and on probabilities, with guarantees for a new row.

All of them ask that validation rows and the rows to come are exchangeable, as draws of one
population are, and that nothing but the score's order was chosen by looking at them.
"""

from math import ceil, floor
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from tasks.abstention.settings import ROUNDING, STARTS, AbstentionSettings
from tasks.resampling import Floats, Ints

Bools = NDArray[np.bool_]

# Below it no score lies: all is answered.
ALL: Final = 0.0


def threshold_for(scores: Floats, right: Bools, settings: AbstentionSettings) -> float | None:
    """The threshold that answers most and keeps to the risk; None where none does.

    Args:
        scores: of the answers to the validation rows, probabilities, (N,).
        right: which answers are right, (N,).
        settings: the risk, and of what.

    """
    if settings.risk_of == "rows":
        return risk_control_threshold(scores, right, settings.risk)
    return selective_threshold(scores, right, settings.risk, 1 - settings.confidence)


def selective_threshold(scores: Floats, right: Bools, risk: float, error: float) -> float | None:
    """The least threshold of which it is shown that few answers above it are wrong.

    For each count k the k surest answers are tried: given the score of the next one, their errors
    are k draws of the risk above it, so that the binomial tail is a p-value of a risk that is too
    great. Counts are tried upwards from each of `STARTS`, at its part of the error, up to the
    first that is not shown (fixed sequence testing: Angelopoulos, Bates, Candès, Jordan and Lei
    2021, "Learn then Test", arXiv:2110.01052; the risk of answers above a score, with a binomial
    tail: Geifman and El-Yaniv 2017, arXiv:1705.08500). With probability 1 - error over the rows
    that it is fitted on, the share of wrong answers among new ones that are given is at most the
    risk.

    Args:
        scores: see `threshold_for`.
        right: likewise.
        risk: share of wrong answers among those given.
        error: probability that the threshold does not keep to it.

    Returns:
        None where no count is shown.

    """
    order = np.argsort(-scores, kind="stable")
    sorted_scores, wrong = scores[order], np.cumsum(~right[order])
    rows = len(scores)
    counts = np.arange(1, rows + 1)
    tails: Floats = np.asarray(binom.cdf(wrong, counts, risk))
    shown = tails <= error / len(STARTS)
    # Answers of one score are given together.
    parted = np.append(sorted_scores[:-1] > sorted_scores[1:], True)
    best = 0
    for start in STARTS:
        first = max(1, ceil(start * rows))
        for count in range(first, rows + 1):
            if not parted[count - 1]:
                continue
            if not shown[count - 1]:
                break
            best = max(best, count)
    if best == 0:
        return None
    return ALL if best == rows else _between(sorted_scores[best], sorted_scores[best - 1])


def risk_control_threshold(scores: Floats, right: Bools, risk: float) -> float | None:
    """The least threshold above which so few of all rows are answered wrongly.

    Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster 2022, arXiv:2208.02814) of
    the loss "answered and wrong", which falls with the threshold and is at most 1: of N rows at
    most (N + 1) * risk - 1 may be answered wrongly. The share of new rows that are is at most the
    risk, in expectation over the rows that it is fitted on and the new one.

    Args:
        scores: see `threshold_for`.
        right: likewise.
        risk: share of all rows that are answered and wrong.

    Returns:
        None where even no answer at all does not keep to it, or none is left.

    """
    allowed = floor((len(scores) + 1) * risk + ROUNDING) - 1
    if allowed < 0:
        return None
    wrong = np.sort(scores[~right])[::-1]
    if len(wrong) <= allowed:
        return ALL
    first = wrong[allowed]
    above = scores[scores > first]
    return _between(first, above.min()) if len(above) else None


def set_threshold(probabilities: Floats, truth: Ints, coverage: float) -> float:
    """The probability from which on a label is in the set of a row.

    Split conformal prediction with the least ambiguous sets (Sadinle, Lei and Wasserman 2019,
    arXiv:1609.00451): the set of a new row holds its right label with at least this probability,
    over the rows that it is fitted on and the new one.

    Args:
        probabilities: (N, L).
        truth: class ids, (N,).
        coverage: that is asked for.

    Returns:
        0.0 where so few rows ask for all labels.

    """
    of_truth = np.sort(probabilities[np.arange(len(truth)), truth])[::-1]
    place = ceil((len(truth) + 1) * coverage - ROUNDING)
    return float(of_truth[place - 1]) if place <= len(truth) else 0.0


def _between(low: float, high: float) -> float:
    """Between two scores, as far from either as can be."""
    return float(low + (high - low) / 2)
