"""Measures of how a group stands in labelled rows before anything learns from them.

Definitions: Das et al. 2021, "Fairness Measures for Machine Learning in Finance" (Journal of
Financial Data Science 3(4):33-64, doi:10.3905/jfds.2021.1.075), which the documentation of Amazon
SageMaker Clarify follows under "Measure Pre-training Bias"; conditional demographic disparity:
Wachter, Mittelstadt and Russell 2021, "Why fairness cannot be automated" (Computer Law & Security
Review 41:105567). Their words: facet *d* is the group that is looked at, facet *a* the rows that it
is compared with, and P_d and P_a are the shares of the labels in each.

Each function gives NaN or infinity where its measure is undefined; logarithms are natural.
"""

import numpy as np

from tasks.resampling import Floats, Ints

LP_ORDER = 2


def class_imbalance(rows_d: int, rows_a: int) -> float:
    """CI = (n_a - n_d) / (n_a + n_d): 1 where facet d has no rows, 0 where both have as many."""
    return (rows_a - rows_d) / (rows_a + rows_d)


def difference_in_proportions(with_d: int, rows_d: int, with_a: int, rows_a: int) -> float:
    """DPL = q_a - q_d, the shares of rows with the label; above 0: facet d bears it less often."""
    return with_a / rows_a - with_d / rows_d


def kl_divergence(shares_d: Floats, shares_a: Floats) -> float:
    """KL(P_a || P_d) in nats; infinite where facet d lacks a label that facet a has.

    Some tools leave such labels out, and then tell least where the facets differ most.
    """
    return _relative_entropy(shares_a, shares_d)


def js_divergence(shares_d: Floats, shares_a: Floats) -> float:
    """JS = (KL(P_a || P) + KL(P_d || P)) / 2 with P the mean of both: from 0 to ln 2 nats."""
    mean = (shares_a + shares_d) / 2
    return (_relative_entropy(shares_a, mean) + _relative_entropy(shares_d, mean)) / 2


def lp_norm(shares_d: Floats, shares_a: Floats) -> float:
    """L_p norm of P_a - P_d with p = 2: from 0 to the root of 2."""
    return float(np.linalg.norm(shares_a - shares_d, LP_ORDER))


def total_variation(shares_d: Floats, shares_a: Floats) -> float:
    """TVD: half the L_1 norm of P_a - P_d, from 0 to 1."""
    return float(np.abs(shares_a - shares_d).sum() / 2)


def kolmogorov_smirnov(shares_d: Floats, shares_a: Floats) -> float:
    """KS: the largest of |P_a - P_d| over the labels, which have no order; from 0 to 1."""
    return float(np.abs(shares_a - shares_d).max())


def conditional_demographic_disparity(
    with_d: Ints, rows_d: Ints, with_all: Ints, rows_all: Ints
) -> float:
    """CDDL: how much more of the rows without the label than of those with it are of facet d.

    In stratum i, DD_i = n_d(without) / n(without) - n_d(with) / n(with), and CDDL is their mean
    weighted by rows. Above 0: within strata, facet d bears the label less often. A stratum
    whose rows all have the label, or all lack it, has no DD_i and counts in neither.

    Args:
        with_d: rows of facet d with the label, one number a stratum.
        rows_d: rows of facet d.
        with_all: rows of both facets with the label.
        rows_all: rows of both facets.

    """
    without_d, without_all = rows_d - with_d, rows_all - with_all
    told = (with_all > 0) & (without_all > 0)
    if not told.any():
        return float("nan")
    disparity = without_d[told] / without_all[told] - with_d[told] / with_all[told]
    return float(np.average(disparity, weights=rows_all[told]))


def _relative_entropy(shares: Floats, reference: Floats) -> float:
    """Sum of p ln(p / q), where nothing of p is nothing."""
    there = shares > 0
    if (reference[there] == 0).any():
        return float("inf")
    return float((shares[there] * np.log(shares[there] / reference[there])).sum())
