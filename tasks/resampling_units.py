"""What a bootstrap draws anew: rows, clusters of rows, cells of like rows, or blocks of either.

Rows of one document or one author resemble each other, so that a hundred of them say less than a
hundred rows of as many authors. Where rows have a cluster, whole clusters are drawn (the cluster
bootstrap; Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x).

A bootstrap of the few clusters of a group spreads too little: the variance of K of them is a K-th
part of their mean square deviation where the unbiased one is a (K - 1)-th, and the ends are those
of a normal distribution where Student's t would be right. Gamma weights of a smaller shape spread
by as much more as both ask (`for_groups`).

Past MAX_UNITS rows or clusters, they are dealt at random into that many blocks, and blocks are
drawn. Blocks of random members are exchangeable, and the variance between B block means, over B, is
in expectation that of the whole mean, so the interval stays what it was, up to the noise of a
variance from B values (about 1 / sqrt(2 B), one part in ninety), and its cost no longer grows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtri, stdtrit

from tasks.resampling import (
    CHUNK_WEIGHTS,
    TAILS,
    Floats,
    Ints,
    collapse,
    generator,
    places_in,
    resample,
)

MAX_UNITS = 4_096
# Cells of like rows are drawn instead where they are no more than these.
MAX_CELLS = 1_024
# Of fewer clusters a bootstrap knows too little of how clusters differ.
MIN_CLUSTERS = 10


@dataclass(frozen=True, eq=False)
class Units:
    """The units that N rows are drawn in.

    Attributes:
        of_row: the unit of each row, (N,), from 0 to U - 1.
        masses: independent observations that each unit stands for, (U,): 1 for a row, a cluster or
            a block, the count for a cell, and less than 1 for a cluster of a group of few.
        atoms: rows or clusters in all.
        drawn: what a draw is of, in words; empty for rows.
        clustered: whether the atoms are clusters.

    """

    of_row: Ints
    masses: Floats
    atoms: int
    drawn: str = ""
    clustered: bool = False

    @property
    def count(self) -> int:
        """Units U."""
        return len(self.masses)

    @property
    def rows_per_atom(self) -> float:
        """How many rows a pseudo-row stands for: as many as what is drawn has on average."""
        return len(self.of_row) / self.atoms if self.clustered else 1.0

    def method(self, repeats: int) -> str:
        """How an interval over these units is made, in words."""
        return f"Bayesian bootstrap{self.drawn and f' of {self.drawn}'}, {repeats} repeats"

    def factors(
        self, repeats: int, random: np.random.Generator, at_once: int | None = None
    ) -> Iterator[Floats]:
        """Factors (r, U) of mean 1 on the units in chunks; the r sum to ``repeats``."""
        at_once = at_once or max(1, CHUNK_WEIGHTS // max(1, self.count))
        alone = bool((self.masses == 1).all())
        for start in range(0, repeats, at_once):
            shape = (min(at_once, repeats - start), self.count)
            if alone:
                yield random.standard_exponential(shape)
            else:
                yield random.standard_gamma(self.masses, shape) / self.masses

    def signs(self, repeats: int, random: np.random.Generator) -> Iterator[Floats]:
        """Zeros and ones (r, U) by fair coins, in chunks as `factors`."""
        at_once = max(1, CHUNK_WEIGHTS // max(1, self.count))
        for start in range(0, repeats, at_once):
            shape = (min(at_once, repeats - start), self.count)
            yield random.integers(0, 2, shape).astype(np.float64)


def units_of_rows(
    row_ids: Sequence[str], clusters: Sequence[str | None] | None = None, *, seed: int = 0
) -> Units:
    """Rows, or clusters where some are given, in blocks where there are many.

    The units follow from the identities, so that draws do not depend on the order of the rows.

    Args:
        row_ids: (N,).
        clusters: (N,); a row without one is a cluster of its own. None to draw rows.
        seed: of the dealing into blocks.

    """
    clustered = clusters is not None and any(cluster is not None for cluster in clusters)
    if clusters is not None and clustered:
        # A row's own name must not meet a cluster of the same name.
        names = [
            f"row {row}" if cluster is None else f"cluster {cluster}"
            for row, cluster in zip(row_ids, clusters, strict=True)
        ]
        place = {name: index for index, name in enumerate(sorted(set(names)))}
        of_row = np.fromiter((place[name] for name in names), dtype=np.int64, count=len(names))
    else:
        order = sorted(range(len(row_ids)), key=row_ids.__getitem__)
        of_row = np.empty(len(order), dtype=np.int64)
        of_row[order] = np.arange(len(order))
    atoms = int(of_row.max(initial=-1)) + 1
    kind = f"{atoms} clusters" if clustered else ""
    units = Units(of_row, np.ones(atoms), atoms, kind, clustered)
    return units if atoms <= MAX_UNITS else _dealt(units, seed)


def units_of_table(rows: pa.Table, *, cluster: str | None, seed: int) -> Units:
    """What is drawn of a table with a column row_id: rows, or clusters if it has that column."""
    clusters = rows[cluster].to_pylist() if cluster in rows.column_names else None
    return units_of_rows(rows["row_id"].to_pylist(), clusters, seed=seed)


def clusters_of_groups(units: Units, membership: NDArray[np.bool_]) -> Ints:
    """How many units have rows in each group of a membership (N, G)."""
    seen = np.zeros((units.count, membership.shape[1]), dtype=np.bool_)
    row, group = np.nonzero(membership)
    seen[units.of_row[row], group] = True
    return np.asarray(seen.sum(axis=0), dtype=np.int64)


def for_groups(units: Units, membership: NDArray[np.bool_]) -> Units:
    """The units, each spread as the smallest group (N, G) asks that it has rows of."""
    if not units.clustered or units.count < units.atoms or not len(membership):
        return units
    sizes = clusters_of_groups(units, membership)
    least = np.full(units.count, units.atoms)
    row, group = np.nonzero(membership)
    np.minimum.at(least, units.of_row[row], sizes[group])
    return replace(units, masses=_shape_of(least))


def _shape_of(clusters: Ints) -> Floats:
    """Shape of the Gamma weights of a cluster among so many."""
    count = np.maximum(clusters, 2).astype(np.float64)
    wider = stdtrit(count - 1, 1 - TAILS[0]) / ndtri(1 - TAILS[0])
    return np.asarray((count - 1) / (count + 1) / wider**2)


@dataclass(frozen=True, eq=False)
class Clustered:
    """In which clusters the rows of some cells lie.

    Attributes:
        units: clusters that are drawn.
        by_unit: rows of each unit in each cell, (U, C).
        rows_per_cluster: how many rows a pseudo-row of each cell stands for, (C,).

    """

    units: Units
    by_unit: "sparse.csr_array"
    rows_per_cluster: Floats


def resample_cells(
    counts: Floats,
    pseudo: Floats,
    clustered: Clustered | None,
    statistic: Callable[[Floats], Floats],
    repeats: int,
    random: np.random.Generator,
) -> Floats:
    """Draws (R, ...) of a statistic over cells of like rows, drawn one by one or by cluster.

    Args:
        counts: rows of each cell, (C,).
        pseudo: mass of the pseudo-rows of each cell, (C,).
        clustered: in which clusters the rows lie; None where they are drawn one by one.
        statistic: from weights of the cells (r, C) to values (r, ...).
        repeats: draws R.
        random: source of randomness.

    """
    if clustered is None:
        return resample(counts + pseudo, statistic, repeats, random)
    spread, found = clustered.by_unit.T.tocsr(), []
    at_once = max(1, CHUNK_WEIGHTS // max(1, len(counts), clustered.units.count))
    with np.errstate(divide="ignore", invalid="ignore"):
        for factors in clustered.units.factors(repeats, random, at_once):
            added = random.standard_gamma(pseudo, (len(factors), len(pseudo)))
            weights = (spread @ factors.T).T + added * clustered.rows_per_cluster
            found.append(statistic(weights))
    return np.concatenate(found)


def in_clusters(
    units: Units | None, membership: NDArray[np.bool_], of_row: Ints, part_of_cell: Ints
) -> Clustered | None:
    """In which clusters the rows of cells lie; None where they are drawn one by one.

    Args:
        units: of the N rows; None for one by one.
        membership: groups of the rows, (N, G), which say how far the clusters spread.
        of_row: the cell of each row, (N,).
        part_of_cell: by which part of the rows a cell's pseudo-rows go, (C,), from 0 up.

    """
    if units is None or not units.clustered:
        return None
    units = for_groups(units, membership)
    parts = _by_unit(part_of_cell[of_row], int(part_of_cell.max()) + 1, units)
    rows = np.maximum(rows_per_cluster(parts, units)[part_of_cell], 1.0)
    return Clustered(units, _by_unit(of_row, len(part_of_cell), units), rows)


def _by_unit(of_row: Ints, size: int, units: Units) -> "sparse.csr_array":
    """Rows of each unit in each cell, (U, C), from the cell (N,) of each row."""
    ones = np.ones(len(of_row))
    return sparse.csr_array((ones, (units.of_row, of_row)), shape=(units.count, size))


def rows_per_cluster(by_unit: "sparse.csr_array", units: Units) -> Floats:
    """Rows of each cell, (C,), by cluster that has any; where blocks are drawn, of all clusters."""
    if units.count < units.atoms:
        return np.full(by_unit.shape[1], units.rows_per_atom)
    filled = np.asarray((by_unit > 0).sum(axis=0))
    return np.asarray(by_unit.sum(axis=0) / np.maximum(filled, 1))


def _dealt(units: Units, seed: int) -> Units:
    """Atoms dealt into MAX_UNITS blocks, as even in number as can be."""
    blocks = generator(seed, "blocks").permutation(units.atoms) % MAX_UNITS
    drawn = f"{MAX_UNITS} blocks of {units.drawn or f'{units.atoms} rows'}"
    return replace(units, of_row=blocks[units.of_row], masses=np.ones(MAX_UNITS), drawn=drawn)


def units_of_cells(columns: Sequence[Ints]) -> Units | None:
    """Cells of rows that are alike in all columns (N,); None where there are too many cells."""
    cells = collapse(columns)
    if len(cells.counts) > MAX_CELLS:
        return None
    found = places_in(cells, columns)
    return Units(found, cells.counts.astype(np.float64), len(found))
