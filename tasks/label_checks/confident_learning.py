"""Which labels look wrong, and how many are: confident learning (Northcutt et al. 2021).

Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels"
(Journal of Artificial Intelligence Research 70, arXiv:1911.00068), as cleanlab, the library of its
authors, has it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.resampling import Floats, Ints, generator, ladder_around, tail_quantiles
from tasks.resampling_units import MIN_CLUSTERS, Units, clusters_of_groups
from tasks.verdicts import Estimate, undetermined

ERROR_SHARE = "labels.error_share"
# Places of a label's counts: rows that are confidently of it, and confidently of another one.
_RIGHT, _WRONG = 0, 1


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
    A label whose rows come from too few clusters has no share of its own.

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
    lows, highs = _draws(by_unit, units, size, repeats, seed)
    rows = [len(given), *np.bincount(given, minlength=size)]
    few = ["", *_few_clusters(given, names, units)]
    return tuple(
        undetermined(name, int(rows[place]), few[place])
        if few[place]
        else Estimate(
            name,
            float(values[place]),
            int(rows[place]),
            ladder_around(
                float(values[place]),
                tail_quantiles(lows[:, place])[0],
                tail_quantiles(highs[:, place])[1],
            ),
            units.method(repeats),
        )
        for place, name in enumerate(estimates)
    )


def _few_clusters(given: Ints, names: Sequence[str], units: Units) -> list[str]:
    """Why the rows of each label tell nothing of it; empty where they do."""
    if not units.clustered:
        return [""] * len(names)
    counts = clusters_of_groups(units, given[:, None] == np.arange(len(names)))
    return [
        ""
        if count >= MIN_CLUSTERS
        else f"{name} has rows of {count} clusters, and at least {MIN_CLUSTERS} are needed"
        for name, count in zip(names, counts, strict=True)
    ]


def _shares(sums: Floats) -> Floats:
    """Shares of wrong labels over all and by label, (r, 1 + L), of sums (r, L * 3)."""
    right, wrong, rows = np.moveaxis(sums.reshape(len(sums), -1, 3), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.nan_to_num(wrong / (right + wrong))
    overall = (shares * rows).sum(axis=1, keepdims=True) / rows.sum(axis=1, keepdims=True)
    return np.concatenate([overall, shares], axis=1)


def _draws(
    by_unit: Floats, units: Units, size: int, repeats: int, seed: int
) -> tuple[Floats, Floats]:
    """Draws for the lower ends and for the upper ends, (R, 1 + L) each.

    Behind the lower end of a label stands a pseudo-row that is right, and behind the upper end one
    that is wrong, which is the exact interval of a share (docs/decisions/0030); over all labels
    that one row is spread as their rows are.
    """
    random, pseudo = generator(seed, ERROR_SHARE), generator(seed, f"pseudo-rows {ERROR_SHARE}")
    rows = by_unit.sum(axis=0).reshape(size, 3)[:, 2]
    ends: dict[int, list[Floats]] = {_RIGHT: [], _WRONG: []}
    for factors in units.factors(repeats, random):
        sums = (factors @ by_unit).reshape(len(factors), size, 3)
        for side, found in ends.items():
            over_all, each = (
                _shares(_with_pseudo_rows(sums, side, masses, units, pseudo))
                for masses in (rows / rows.sum(), np.ones(size))
            )
            found.append(np.concatenate([over_all[:, :1], each[:, 1:]], axis=1))
    return np.concatenate(ends[_RIGHT]), np.concatenate(ends[_WRONG])


def _with_pseudo_rows(
    sums: Floats, side: int, masses: Floats, units: Units, random: np.random.Generator
) -> Floats:
    """Sums (r, L, 3) with pseudo-rows of these masses (L,) on one side, as (r, L * 3)."""
    drawn = random.standard_gamma(masses, sums.shape[:2]) * units.rows_per_atom
    added = np.zeros_like(sums)
    added[..., side] = drawn
    return (sums + added).reshape(len(sums), -1)
