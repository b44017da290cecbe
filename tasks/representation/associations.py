"""Which words that mention a group stand with which label."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri, stdtrit

from tasks.records.data import TermAssociation
from tasks.representation.cooccurrence import Facet, TermCount
from tasks.resampling import (
    MIN_REPEATS,
    TAILS,
    Floats,
    Ints,
    estimate_from_two_draws,
    generator,
    resample,
)
from tasks.resampling_units import MIN_CLUSTERS
from tasks.verdicts import Estimate, undetermined

SEED = 0
# In each of the four cells: Jeffreys' prior of a multinomial. In simulation its intervals held the
# truth in 93 to 97 of 100 tables; with a quarter, in as few as 90.
PSEUDO_ROWS = 1 / 2
# Of the upper end: a whole row behind either cell that raises it (docs/decisions/0030). With half a
# row in each it lay below the truth in 3.8% of draws of 400 rows, where 2.5% may.
RAISING_ROWS = np.array([1.0, 0.0, 0.0, 1.0])


def strongest_associations(
    terms: Sequence[TermCount],
    everyone: Facet,
    labels: tuple[str, ...],
    *,
    min_rows: int,
    shown: int,
    by_unit: Ints | None = None,
) -> tuple[tuple[TermAssociation, ...], int]:
    """The terms that stand with a label oftener than chance has it, most surely first.

    Sorted by the lower end of the 95% interval, so that a word of ten rows does not come before
    one of a thousand by luck. The ends are each association's own: of m that were looked at, about
    2.5% of m lie wholly above 0 by chance alone. To say that a given one of them is real, take the
    wider interval of its ladder for m (Holm, Bonferroni), and read the texts. Where rows have
    clusters, the intervals are those of as many independent rows as the clusters are worth.

    Args:
        terms: counts of each term.
        everyone: counts of all rows.
        labels: L names.
        min_rows: rows below which a term is not told.
        shown: terms told for each label.
        by_unit: rows by unit of clusters and label, all rows last, (U, L + 1); None without
            clusters.

    Returns:
        The associations, and how many were looked at.

    """
    rows, with_label = int(everyone.rows.sum()), everyone.with_label.sum(axis=0)
    frequent = [count for count in terms if count.rows >= min_rows]
    told: list[TermAssociation] = []
    for place, label in enumerate(labels):
        of_label = [
            _associate(count, place, label, int(with_label[place]), rows, by_unit)
            for count in frequent
            if count.with_label[place] * rows > count.rows * with_label[place]
        ]
        told += sorted(of_label, key=_order)[:shown]
    return tuple(sorted(told, key=_order)), len(frequent) * len(labels)


def mutual_information(name: str, table: Ints, design_effect: float = 1.0) -> Estimate:
    """Pointwise mutual information of a term and a label, in bits, with its intervals.

    PMI = log2(p(term, label) / (p(term) p(label))), Church and Hanks 1990, "Word association
    norms, mutual information, and lexicography" (Computational Linguistics 16(1):22-29). 1 means
    twice as often as chance has it. The intervals come from draws of the four shares.

    Args:
        name: of the estimate.
        table: rows with [both, the term alone, the label alone, neither].
        design_effect: how many rows in clusters tell as much as one independent row.

    """
    masses = table.astype(np.float64) / design_effect
    draws, raised = (
        resample(masses + pseudo, _pmi, MIN_REPEATS, generator(SEED, name))
        for pseudo in (np.full(4, PSEUDO_ROWS), RAISING_ROWS)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(_pmi(table.astype(np.float64)[None])[0])
    return estimate_from_two_draws(name, value, draws, raised, int(table.sum()))


def design_effect(table: Ints, by_unit: Ints) -> float:
    """Variance of the PMI by cluster over that by row, at least 1 (Rao and Scott 1981).

    Both are those of the linearised PMI, to which a row adds 1 / p of each set that it is in, with
    the signs of the formula (doi:10.1080/01621459.1981.10477633 for counts divided by it).

    Args:
        table: rows with [both, the term alone, the label alone, neither].
        by_unit: rows of each unit with both, with the term, with the label, and at all, (U, 4).

    """
    weights = _linear_weights(table)
    sets = np.array([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]])
    by_row = float(table @ (sets @ weights) ** 2)
    held = by_unit[by_unit[:, -1] > 0]
    by_cluster = float(((held @ weights) ** 2).sum()) * len(held) / max(1, len(held) - 1)
    return max(1.0, by_cluster / by_row) if by_row > 0 else 1.0


def for_few_clusters(table: Ints, by_unit: Ints) -> float:
    """How much larger the design effect is to be, since it is itself known from few clusters.

    The square of Student's t over the normal, with as many clusters as would bear the variance
    alike: Kish's effective number of their squares. Without it, 4% of upper ends of 60 clusters
    missed the truth where 2.5% may, and of 99.6% intervals 1.7% either way.

    Args:
        table: as in `design_effect`.
        by_unit: likewise.

    """
    squares = (by_unit @ _linear_weights(table)) ** 2
    if not squares.any():
        return 1.0
    alike = float(squares.sum() ** 2 / (squares**2).sum())
    return float((stdtrit(max(1.0, alike - 1), 1 - TAILS[0]) / ndtri(1 - TAILS[0])) ** 2)


def _linear_weights(table: Ints) -> Floats:
    """What a row with both, with the term, with the label, and any row adds to the linear PMI."""
    both, term, label, _ = table
    shares = np.array([both, both + term, both + label]) / table.sum()
    return np.asarray(np.array([1, -1, -1, 1]) / np.append(shares, 1))


def _associate(
    count: TermCount, place: int, label: str, with_label: int, rows: int, by_unit: Ints | None
) -> TermAssociation:
    both = int(count.with_label[place])
    term_alone, label_alone = count.rows - both, with_label - both
    table = np.array([both, term_alone, label_alone, rows - both - term_alone - label_alone])
    name = f"representation.{count.attribute}.{count.term.term}.{label}"
    association = None
    effect = 1.0
    if count.by_unit is not None and by_unit is not None:
        own = count.by_unit[:, [place, by_unit.shape[1] - 1]].toarray()
        units = np.concatenate([own, by_unit[:, [place, -1]]], axis=1)
        effect = design_effect(table, units) * for_few_clusters(table, units)
        reason = few_clusters(count.term.term, int((own[:, 1] > 0).sum()))
        association = undetermined(name, rows, reason) if reason else None
    return TermAssociation(
        attribute=count.attribute,
        term=count.term.term,
        label=label,
        rows=count.rows,
        with_label=both,
        association=association or mutual_information(name, table, effect),
    )


def few_clusters(term: str, clusters: int) -> str:
    """Why rows of so few clusters tell nothing of a term; empty where they are enough."""
    if clusters >= MIN_CLUSTERS:
        return ""
    return f"{term} stands in rows of {clusters} clusters, and at least {MIN_CLUSTERS} are needed"


def _pmi(weights: Floats) -> Floats:
    both, term, label, neither = weights.T
    ratio = both * (both + term + label + neither) / ((both + term) * (both + label))
    information: Floats = np.log2(ratio)
    return information


def _order(found: TermAssociation) -> tuple[float, str, str, str]:
    low = found.association.low
    return (-low if low is not None else np.inf, found.attribute, found.term, found.label)
