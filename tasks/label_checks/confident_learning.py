"""Which labels look wrong, and how many are: confident learning (Northcutt et al. 2021).

Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels"
(Journal of Artificial Intelligence Research 70, arXiv:1911.00068), as cleanlab, the library of its
authors, has it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.resampling import Floats, Ints, estimate_from_draws, generator
from tasks.resampling_units import MIN_CLUSTERS, Units
from tasks.verdicts import Estimate, undetermined

ERROR_SHARE = "labels.error_share"


def find_label_errors(given: Ints, probabilities: Floats) -> NDArray[np.bool_]:
    """Which of N rows have a label that is probably wrong, (N,).

    Those that cleanlab prunes both by class and by noise rate (the paper's method 5, C+NR), which
    blames fewest right labels.

    Args:
        given: class ids, (N,), each of which stands at a row.
        probabilities: (N, L) by models that did not learn from the row.

    """
    from cleanlab.filter import find_label_issues

    found = find_label_issues(
        given, probabilities, filter_by="both", n_jobs=1, min_examples_per_class=0
    )
    return np.asarray(found, dtype=np.bool_)


def error_shares(
    given: Ints,
    probabilities: Floats,
    names: Sequence[str],
    units: Units,
    *,
    repeats: int,
    seed: int,
) -> tuple[Estimate, ...]:
    """The share of rows whose label is wrong, over all and by given label.

    The off-diagonal mass of the joint of given and true labels, which confident learning estimates
    by counting the rows that lie above their true label's mean self-confidence (equation 3). The
    intervals draw rows, or clusters, anew. They leave out what the method itself errs by: a label
    that the words of a text do not tell is seen as wrong, and an error that they agree with is not.

    Args:
        given: class ids, (N,).
        probabilities: (N, L).
        names: of the L labels.
        units: what is drawn.
        repeats: draws.
        seed: of the draws.

    """
    size = len(names)
    estimates = [ERROR_SHARE, *(f"{ERROR_SHARE}.{name}" for name in names)]
    if units.clustered and units.atoms < MIN_CLUSTERS:
        reason = f"{units.atoms} clusters say too little; {MIN_CLUSTERS} would do"
        return tuple(undetermined(name, len(given), reason) for name in estimates)
    thresholds = np.array([probabilities[given == label, label].mean() for label in range(size)])
    above = probabilities >= thresholds - 1e-6
    likely = np.where(above, probabilities, -1).argmax(axis=1)
    confident = above.any(axis=1)
    # Rows of a label that are confidently of it, confidently of another one, and all of them.
    cells = np.stack([confident & (likely == given), confident & (likely != given), given >= 0], 1)
    by_unit = np.zeros((units.count, size * 3))
    for column in range(3):
        places = units.of_row * size * 3 + given * 3 + column
        by_unit += np.bincount(places, cells[:, column], units.count * size * 3).reshape(
            units.count, -1
        )
    values = _shares(by_unit.sum(axis=0)[None])[0]
    draws = _draws(by_unit, units, size, repeats, seed)
    rows = [len(given), *np.bincount(given, minlength=size)]
    return tuple(
        estimate_from_draws(name, float(value), draw, int(number))
        for name, value, draw, number in zip(estimates, values, draws.T, rows, strict=True)
    )


def _shares(sums: Floats) -> Floats:
    """Shares of wrong labels over all and by label, (r, 1 + L), of sums (r, L * 3)."""
    right, wrong, rows = np.moveaxis(sums.reshape(len(sums), -1, 3), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.nan_to_num(wrong / (right + wrong))
    overall = (shares * rows).sum(axis=1, keepdims=True) / rows.sum(axis=1, keepdims=True)
    return np.concatenate([overall, shares], axis=1)


def _draws(by_unit: Floats, units: Units, size: int, repeats: int, seed: int) -> Floats:
    """Draws (R, 1 + L), with half a right and half a wrong row of each label (Jeffreys' prior)."""
    parts = []
    random, pseudo = generator(seed, ERROR_SHARE), generator(seed, f"pseudo-rows {ERROR_SHARE}")
    for factors in units.factors(repeats, random):
        shape = (len(factors), size, 2)
        added = pseudo.standard_gamma(1 / 2, shape) * units.rows_per_atom
        both = np.concatenate([added, added.sum(axis=2, keepdims=True)], axis=2)
        parts.append(_shares(factors @ by_unit + both.reshape(len(factors), -1)))
    return np.concatenate(parts)
