"""How a label's score ranks the rows of a group (Borkan et al. 2019, arXiv:1903.04561).

Background are all rows that are not of the group. An AUC is the share of pairs of a positive and a
negative row in which the positive one has the higher score, a tie counting half. The average
equality gap (AEG) of the positives, or of the negatives, is one half less the normalised
Mann-Whitney statistic of background against group: the share of pairs in which the background's row
has the higher score. So it goes from -0.5 to 0.5, and its sign says which way the scores of a class
lean: above 0 the group's rows are scored higher than the background's, at 0.5 each one of them
higher than each of the others; below 0 they are scored lower. For a label that does harm, such as
toxic, a negative AEG above 0 means that harmless rows about the group are taken for harmful.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tasks.fairness.rates import distinct_patterns, pseudo_rows
from tasks.fairness.settings import FairnessSettings
from tasks.resampling import Floats, Ints, collapse, generator, places_in
from tasks.resampling_units import (
    Units,
    in_clusters,
    resample_cells,
)

# Places of the measures in the last axis of values and draws.
MEASURES: Final = ("subgroup_auc", "bpsn_auc", "bnsp_auc", "positive_aeg", "negative_aeg")
# The power of the generalised mean over groups: the lower, the more the worst group weighs.
POWER: Final = -5.0
# Draws are made of scores in bins, half of them with as many positives each and half with as many
# negatives; the values themselves are those of the scores. Fewer bins where groups overlap much.
BINS_OF_A_CLASS: Final = (48, 24, 12)
MAX_CELLS: Final = 3_000
# Of a pseudo-row, of a class in a group. An AUC spreads less than a share of as many rows does, so
# that a whole one would move the draws by more than they spread where nearly all pairs are right.
PSEUDO_MASS: Final = 0.25


@dataclass(frozen=True)
class GroupRanking:
    """The measures of each group.

    Attributes:
        values: of the scores as they are, shape (G, 5); NaN where a class has no rows.
        draws: joint bootstrap draws, shape (R, G, 5).

    """

    values: Floats
    draws: Floats


@dataclass(frozen=True)
class _Cells:
    """Rows and pseudo-rows of one pattern of membership, class and bin of rising score.

    Attributes:
        counts: rows, shape (C,).
        pseudo: pseudo-rows, shape (C,).
        to_everyone: sums a cell into its class and bin, shape (C, 2 * B).
        to_groups: sums a cell into these of each of its groups, shape (C, G * 2 * B).
        of_row: the cell of each row, shape (N,).
        part: pattern of membership and class of each cell, as one number, shape (C,).

    """

    counts: Floats
    pseudo: Floats
    to_everyone: "sparse.csr_array"
    to_groups: "sparse.csr_array"
    of_row: Ints
    part: Ints

    def measures(self, weights: Floats) -> Floats:
        """The measures (r, G, 5) of weights (r, C)."""
        bins = self.to_everyone.shape[1] // 2
        everyone = (self.to_everyone.T @ weights.T).T.reshape(-1, 1, 2, bins)
        inside = (self.to_groups.T @ weights.T).T.reshape(len(weights), -1, 2, bins)
        return _five(inside, everyone - inside)


def rank_groups(
    name: str,
    membership: NDArray[np.bool_],
    positive: NDArray[np.bool_],
    scores: Floats,
    settings: FairnessSettings,
    units: Units | None = None,
) -> GroupRanking:
    """The measures of each group, with bootstrap draws over rows or clusters.

    In each group, positives and negatives have a part of a pseudo-row each, half of it with the
    lowest score of all and half of it with the highest.

    Args:
        name: of the draws.
        membership: shape (N, G).
        positive: shape (N,).
        scores: shape (N,), finite.
        settings: repeats and seed.
        units: what the rows are drawn in; None for one by one.

    """
    values = exact_measures(membership, positive, scores)
    cells = _collapse(membership, positive, scores)
    random = generator(settings.seed, name)
    clustered = in_clusters(units, membership, cells.of_row, cells.part)
    draws = resample_cells(
        cells.counts, cells.pseudo, clustered, cells.measures, settings.repeats, random
    )
    # What the bins lose of the order of the scores is made good.
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = values - cells.measures(cells.counts[None])[0]
    least = np.array([0.0, 0.0, 0.0, -0.5, -0.5])
    wide = draws if clustered else _widened(draws, membership, positive)
    return GroupRanking(values, np.clip(wide + lost, least, least + 1))


def _widened(draws: Floats, membership: NDArray[np.bool_], positive: NDArray[np.bool_]) -> Floats:
    """Draws with the spread that n rows have, where those of Dirichlet weights have a little less.

    Such a mean of n rows varies by the (n + 1)-th part of their mean square deviation, and the
    unbiased estimate is its (n - 1)-th part; n is that of the group's smaller class.
    """
    rows = np.minimum(membership[positive].sum(axis=0), membership[~positive].sum(axis=0))
    factor = np.sqrt((rows + 1) / np.maximum(rows - 1, 1))[:, None]  # (G, 1)
    middle = draws.mean(axis=0)
    return np.asarray(middle + (draws - middle) * factor)


def exact_measures(
    membership: NDArray[np.bool_], positive: NDArray[np.bool_], scores: Floats
) -> Floats:
    """The measures (G, 5) of the scores as they are; NaN where a class has no rows."""
    _, place = np.unique(scores, return_inverse=True)
    size = int(place.max(initial=-1)) + 1
    signs = (~positive, positive)
    everyone = np.stack([np.bincount(place[sign], minlength=size) for sign in signs])
    found = np.empty((membership.shape[1], len(MEASURES)))
    for group in range(membership.shape[1]):
        here = membership[:, group]
        inside = np.stack(
            [
                np.bincount(place[here & (positive == sign)], minlength=size)
                for sign in (False, True)
            ]
        ).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[group] = _five(inside, everyone - inside)
    return found


def generalised_mean(aucs: Floats) -> Floats:
    """Power mean over the last axis with `POWER`; 0 where an AUC is 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.mean(aucs**POWER, axis=-1) ** (1 / POWER))


def _five(inside: Floats, outside: Floats) -> Floats:
    """The measures (..., 5) of weights by class and rising score, (..., 2, B) each."""
    negative, positive = inside[..., 0, :], inside[..., 1, :]
    rest_negative, rest_positive = outside[..., 0, :], outside[..., 1, :]
    return np.stack(
        [
            _share_above(positive, negative),
            _share_above(rest_positive, negative),
            _share_above(positive, rest_negative),
            0.5 - _share_above(rest_positive, positive),
            0.5 - _share_above(rest_negative, negative),
        ],
        axis=-1,
    )


def _share_above(upper: Floats, lower: Floats) -> Floats:
    """Share of pairs in which the first has the higher score; (..., B) weights to (...)."""
    below = np.cumsum(lower, axis=-1) - lower / 2
    pairs = upper.sum(axis=-1) * lower.sum(axis=-1)
    return np.asarray(np.einsum("...b,...b->...", upper, below) / pairs)


def _collapse(membership: NDArray[np.bool_], positive: NDArray[np.bool_], scores: Floats) -> _Cells:
    patterns, pattern = distinct_patterns(membership)
    for size in BINS_OF_A_CLASS:
        edges = _edges(positive, scores, size)
        width = len(edges) + 3  # the bins between the edges, and one beyond either end
        bins = np.searchsorted(edges, scores, side="right") + 1
        cells = collapse([pattern, positive.astype(np.int64), bins])
        if len(cells.counts) <= MAX_CELLS:
            break
    of_pattern, of_class, of_bin = cells.columns
    of_row = places_in(cells, [pattern, positive.astype(np.int64), bins])
    rows = np.zeros((len(patterns), 2), dtype=np.int64)
    np.add.at(rows, (of_pattern, of_class), cells.counts)
    # Rows of no group are background to all: they too have a pseudo-row of each class.
    in_any = np.asarray(patterns.any(axis=1))[:, None]
    pseudo = np.where(in_any, pseudo_rows(rows, patterns), rows > 0)
    held = np.nonzero(pseudo)
    of_pattern = np.concatenate([of_pattern, held[0], held[0]])
    part = of_pattern * 2 + np.concatenate([of_class, held[1], held[1]])
    places = np.concatenate([of_class, held[1], held[1]]) * width + np.concatenate(
        [of_bin, np.zeros(len(held[0]), np.int64), np.full(len(held[0]), width - 1)]
    )
    masses = np.concatenate([cells.counts, np.tile(PSEUDO_MASS * pseudo[held] / 2, 2)])
    real = np.arange(len(masses)) < len(cells.counts)
    cell, group = np.nonzero(patterns[of_pattern])
    return _Cells(
        counts=np.where(real, masses, 0.0),
        pseudo=np.where(real, 0.0, masses),
        to_everyone=_sums(np.arange(len(masses)), places, len(masses), 2 * width),
        to_groups=_sums(
            cell, group * 2 * width + places[cell], len(masses), patterns.shape[1] * 2 * width
        ),
        of_row=of_row,
        part=part,
    )


def _sums(rows: Ints, columns: Ints, height: int, width: int) -> "sparse.csr_array":
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(height, width))


def _edges(positive: NDArray[np.bool_], scores: Floats, size: int) -> Floats:
    """Scores at which the bins part."""
    levels = np.arange(1, size) / size
    parts = [np.quantile(one, levels) for one in (scores[positive], scores[~positive]) if len(one)]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0)
