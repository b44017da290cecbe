"""Which words that mention a group stand with which label."""

from collections.abc import Sequence

import numpy as np

from tasks.records.data import TermAssociation
from tasks.representation.cooccurrence import Facet, TermCount
from tasks.resampling import (
    MIN_REPEATS,
    Floats,
    Ints,
    estimate_from_draws,
    generator,
    resample,
)
from tasks.verdicts import Estimate

SEED = 0
# In each of the four cells: Jeffreys' prior of a multinomial. In simulation its intervals held the
# truth in 93 to 97 of 100 tables; with a quarter, in as few as 90.
PSEUDO_ROWS = 1 / 2


def strongest_associations(
    terms: Sequence[TermCount],
    everyone: Facet,
    labels: tuple[str, ...],
    *,
    min_rows: int,
    shown: int,
) -> tuple[tuple[TermAssociation, ...], int]:
    """The terms that stand with a label oftener than chance has it, most surely first.

    Sorted by the lower end of the 95% interval, so that a word of ten rows does not come before
    one of a thousand by luck. The ends are each association's own: of m that were looked at, about
    2.5% of m lie wholly above 0 by chance alone. To say that a given one of them is real, take the
    wider interval of its ladder for m (Holm, Bonferroni), and read the texts. Rows of one author
    are not independent, and intervals are then too narrow.

    Args:
        terms: counts of each term.
        everyone: counts of all rows.
        labels: L names.
        min_rows: rows below which a term is not told.
        shown: terms told for each label.

    Returns:
        The associations, and how many were looked at.

    """
    rows, with_label = int(everyone.rows.sum()), everyone.with_label.sum(axis=0)
    frequent = [count for count in terms if count.rows >= min_rows]
    told: list[TermAssociation] = []
    for place, label in enumerate(labels):
        of_label = [
            _associate(count, place, label, int(with_label[place]), rows)
            for count in frequent
            if count.with_label[place] * rows > count.rows * with_label[place]
        ]
        told += sorted(of_label, key=_order)[:shown]
    return tuple(sorted(told, key=_order)), len(frequent) * len(labels)


def mutual_information(name: str, table: Ints) -> Estimate:
    """Pointwise mutual information of a term and a label, in bits, with its intervals.

    PMI = log2(p(term, label) / (p(term) p(label))), Church and Hanks 1990, "Word association
    norms, mutual information, and lexicography" (Computational Linguistics 16(1):22-29). 1 means
    twice as often as chance has it. The intervals come from draws of the four shares.

    Args:
        name: of the estimate.
        table: rows with [both, the term alone, the label alone, neither].

    """
    masses = table.astype(np.float64)
    draws = resample(masses + PSEUDO_ROWS, _pmi, MIN_REPEATS, generator(SEED, name))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(_pmi(masses[None])[0])
    return estimate_from_draws(name, value, draws, int(table.sum()))


def _associate(
    count: TermCount, place: int, label: str, with_label: int, rows: int
) -> TermAssociation:
    both = int(count.with_label[place])
    term_alone, label_alone = count.rows - both, with_label - both
    table = np.array([both, term_alone, label_alone, rows - both - term_alone - label_alone])
    name = f"representation.{count.attribute}.{count.term.term}.{label}"
    return TermAssociation(
        attribute=count.attribute,
        term=count.term.term,
        label=label,
        rows=count.rows,
        with_label=both,
        association=mutual_information(name, table),
    )


def _pmi(weights: Floats) -> Floats:
    both, term, label, neither = weights.T
    ratio = both * (both + term + label + neither) / ((both + term) * (both + label))
    information: Floats = np.log2(ratio)
    return information


def _order(found: TermAssociation) -> tuple[float, str, str, str]:
    low = found.association.low
    return (-low if low is not None else np.inf, found.attribute, found.term, found.label)
