"""Who gets a label, among rows that bear it and among rows that do not.

Conditional demographic disparity (Wachter et al. 2021, doi:10.2139/ssrn.3547922; Amazon SageMaker
Clarify's CDDPL) of predictions, conditioned on the true label: in a stratum i of rows with, or
without, the label, DD_i of a group is its share of the rows that are not predicted as the label,
less its share of those that are. CDDPL is the mean of DD_i weighted by the rows of the strata, from
-1 to 1. Above 0 the group gets the label less often than others whose true label is the same.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tasks.fairness.gaps import told_labels, why_no_comparison, why_too_small
from tasks.fairness.rates import Outcomes
from tasks.fairness.settings import FairnessSettings
from tasks.resampling import Floats, Ints, Largest, estimate_from_draws, generator
from tasks.resampling_units import Clustered, resample_cells, rows_per_cluster
from tasks.verdicts import Estimate, undetermined

# Cells of a stratum are in this order: without and with the label, not predicted and predicted.
STRATA = ("not labelled", "labelled")
SIDES = ("not predicted as", "predicted as")
PARTS = len(STRATA) * len(SIDES)


@dataclass(frozen=True)
class _Cells:
    """Rows of one label by stratum, side and pattern of membership, (4 * S,).

    Attributes:
        counts: rows of each cell.
        clustered: in which clusters they lie; None where rows are drawn one by one.

    """

    counts: Floats
    clustered: Clustered | None


def disparity_estimates(
    attribute: str,
    outcomes: Outcomes,
    labels: tuple[str, ...],
    settings: FairnessSettings,
    *,
    reason: str = "",
) -> tuple[list[list[Estimate]], Estimate]:
    """CDDPL of each group for each told label, and the largest of them, whatever its sign.

    Args:
        attribute: for the names ``fairness.<attribute>.cddpl.<group>.<label>`` and
            ``fairness.<attribute>.largest_cddpl``.
        outcomes: of the groups that are compared.
        labels: names of the class ids.
        settings: told labels, least rows, repeats and seed.
        reason: why nothing can be compared; empty where it can.

    Returns:
        A list of estimates for each group, and the largest.

    """
    rows = int(outcomes.counts[outcomes.membership.any(axis=1)].sum())
    reason = reason or why_no_comparison(attribute, outcomes, settings.min_group_rows)
    own: list[list[Estimate]] = [[] for _ in outcomes.groups]
    largest, untold = Largest(), reason
    for label in told_labels(labels, settings):
        cells = _cells(outcomes, label)
        why = reason or _why_no_disparity(cells.counts, labels[label], settings.min_group_rows)
        untold = untold or why
        if why:
            for group, found in zip(outcomes.groups, own, strict=True):
                found.append(undetermined(_name(attribute, group, labels[label]), rows, why))
            continue
        values, draws = _draw(f"fairness.{attribute} cddpl {label}", cells, outcomes, settings)
        largest.add(values, draws, both_signs=True)
        for place, (group, found) in enumerate(zip(outcomes.groups, own, strict=True)):
            name = _name(attribute, group, labels[label])
            found.append(estimate_from_draws(name, float(values[place]), draws[:, place], rows))
    name = f"fairness.{attribute}.largest_cddpl"
    over = undetermined(name, rows, untold) if untold else largest.estimate(name, rows, floor=0.0)
    return own, over


def disparity(weights: Floats, membership: Floats) -> Floats:
    """CDDPL (R, G) of weights (R, 4 * S) of cells and of the patterns' membership (S, G)."""
    parts = weights.reshape(len(weights), len(STRATA), len(SIDES), -1)
    parts = parts * membership.any(axis=1)  # rows of no group are in nobody's comparison
    sums = parts.sum(axis=-1)  # (R, strata, sides)
    shares = (parts @ membership) / sums[..., None]  # (R, strata, sides, G)
    apart = shares[:, :, 0] - shares[:, :, 1]
    of_stratum = sums.sum(axis=-1)
    return np.asarray(np.einsum("rt,rtg->rg", of_stratum, apart) / of_stratum.sum(axis=1)[:, None])


def _draw(
    name: str, cells: _Cells, outcomes: Outcomes, settings: FairnessSettings
) -> tuple[Floats, Floats]:
    """Values (G,) and draws (R, G); each stratum and side has a pseudo-row over all patterns."""
    member = outcomes.membership.astype(np.float64)
    pseudo = np.full(len(cells.counts), 1 / max(1, int(member.any(axis=1).sum())))
    draws = resample_cells(
        cells.counts,
        pseudo,
        cells.clustered,
        lambda weights: disparity(weights, member),
        settings.repeats,
        generator(settings.seed, name),
    )
    return disparity(cells.counts[None], member)[0], draws


def _why_no_disparity(counts: Floats, label: str, min_rows: int) -> str:
    """Which side of which stratum has too few rows; empty where none has."""
    sizes = counts.reshape(PARTS, -1).sum(axis=1)
    names = [f"{one} {label!r} and {two} it" for one in STRATA for two in SIDES]
    return why_too_small([(n, int(size)) for n, size in zip(names, sizes, strict=True)], min_rows)


def _cells(outcomes: Outcomes, label: int) -> _Cells:
    """Rows of each stratum and side by pattern, and by cluster where these are drawn."""
    patterns, size = outcomes.counts.shape[:2]
    in_any = np.asarray(outcomes.membership.any(axis=1))
    ids = np.arange(size)
    part = (ids[:, None] == label) * len(SIDES) + (ids[None, :] == label)  # (L, L)
    counts = np.zeros((PARTS, patterns))
    for place in range(PARTS):
        counts[place] = outcomes.counts[:, part == place].sum(axis=1) * in_any
    if not outcomes.clusters:
        return _Cells(counts.ravel(), None)
    units = outcomes.clusters.units
    unit, pattern, truth, predicted = outcomes.clusters.columns
    cell = part[truth, predicted] * patterns + pattern
    rows = outcomes.clusters.counts * in_any[pattern]
    by_unit = _by_unit(unit, cell, rows, (units.count, PARTS * patterns))
    by_part = _by_unit(unit, part[truth, predicted], rows, (units.count, PARTS))
    heavy = np.maximum(rows_per_cluster(by_part, units), 1.0)
    return _Cells(counts.ravel(), Clustered(units, by_unit, np.repeat(heavy, patterns)))


def _by_unit(unit: Ints, cell: Ints, rows: Ints, shape: tuple[int, int]) -> "sparse.csr_array":
    return sparse.csr_array((rows.astype(np.float64), (unit, cell)), shape=shape)


def _name(attribute: str, group: str, label: str) -> str:
    return f"fairness.{attribute}.cddpl.{group}.{label}"
