"""Rows of train and validation that are like a row of a golden set.

The golden set is scanned as the snapshot is. Rows of equal normalised text are found by its hash,
near-duplicates among the pairs that share a band of their signatures, and are then judged exactly.
Memory grows with the rows of the golden sets, and with the pairs that are found.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.records.data import SPLITS
from tasks.task_types.rows import RowShape
from tasks.validation.leakage.hashing import MISSING, Hashes, Positions
from tasks.validation.leakage.links import Links, link_equal, most_alike
from tasks.validation.leakage.near_duplicates import jaccard
from tasks.validation.leakage.scanning import Scan, scan_rows
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.leakage.signatures import least_agreement

# Of the rows of a golden set that share a band with a row, that many are held against it.
MAX_CANDIDATES: Final = 64
_PAIRS_AT_ONCE: Final = 512
_ROUNDING: Final = 1e-9
_HELD_OUT: Final = SPLITS.index("test")


@dataclass(frozen=True)
class GoldenLinks:
    """Rows of train and validation with the row of a golden set that each is most like.

    Attributes:
        links: positions in the snapshot, and of the twins in the golden set.
        golden: what was kept of the golden set's rows.

    """

    links: Links
    golden: Scan


def find_golden_rows(
    scan: Scan,
    paths: Mapping[str, Path],
    shape: RowShape,
    settings: LeakageSettings,
    folder: Path,
) -> dict[str, GoldenLinks]:
    """Look for rows that the model would learn or be chosen by, in each golden set.

    Args:
        scan: of the snapshot.
        paths: Parquet of each golden set's snapshot, by its name.
        shape: of the task type.
        settings: which likeness counts.
        folder: to work in.

    """
    found = {}
    for number, (name, path) in enumerate(paths.items()):
        own = folder / f"golden_{number}"
        own.mkdir()
        golden = scan_rows(path, shape, settings, (), own)
        links = [*_equal(scan, golden), *_near(scan, golden, settings)]
        found[name] = GoldenLinks(most_alike(links), golden)
    return found


def _equal(scan: Scan, golden: Scan) -> Iterator[Links]:
    known, places = _sorted(golden.text_hashes.read())
    for start, hashes in scan.text_hashes.chunks():
        rows, twins = _pairs(hashes, known, places, 1)
        wanted = scan.splits[rows + start] < _HELD_OUT
        yield link_equal(rows[wanted] + start, twins[wanted])


def _near(scan: Scan, golden: Scan, settings: LeakageSettings) -> Iterator[Links]:
    pairs = np.unique(
        np.concatenate([np.zeros((0, 2), np.int64), *_candidates(scan, golden)]), axis=0
    )
    least = least_agreement(settings.permutations, settings.jaccard_threshold)
    for start, stop in pairwise([*range(0, len(pairs), _PAIRS_AT_ONCE), len(pairs)]):
        rows, twins = pairs[start:stop].T
        agreeing = (scan.sketches.take(rows) == golden.sketches.take(twins)).sum(axis=1)
        rows, twins = rows[agreeing >= least], twins[agreeing >= least]
        if len(rows):
            yield _judged(scan, golden, rows, twins, settings)


def _candidates(scan: Scan, golden: Scan) -> Iterator[NDArray[np.int64]]:
    """Pairs (P, 2) of rows that share a band, band by band."""
    for band, of_golden in zip(scan.bands, golden.bands, strict=True):
        known, places = _sorted(of_golden.read())
        for start, hashes in band.chunks():
            rows, twins = _pairs(hashes, known, places, MAX_CANDIDATES)
            wanted = scan.splits[rows + start] < _HELD_OUT
            yield np.stack([rows[wanted] + start, twins[wanted]], axis=1)


def _judged(
    scan: Scan, golden: Scan, rows: Positions, twins: Positions, settings: LeakageSettings
) -> Links:
    texts = [*scan.texts.take(rows), *golden.texts.take(twins)]
    places = np.arange(len(rows))
    alike = jaccard(texts, places, places + len(rows), settings.shingle_characters)
    near = alike >= settings.jaccard_threshold - _ROUNDING
    return Links(rows[near], twins[near], alike[near].astype(np.float32))


def _sorted(hashes: Hashes) -> tuple[Hashes, Positions]:
    """Hashes that are there, sorted, and where they stand."""
    places = np.flatnonzero(hashes != MISSING)
    order = places[np.argsort(hashes[places], kind="stable")]
    return hashes[order], order


def _pairs(
    hashes: Hashes, known: Hashes, places: Positions, most: int
) -> tuple[Positions, Positions]:
    """Rows whose hash is known, each with up to so many of the places that have it."""
    first = np.searchsorted(known, hashes, "left")
    count = np.minimum(np.searchsorted(known, hashes, "right") - first, most)
    count[hashes == MISSING] = 0
    rows = np.repeat(np.arange(len(hashes)), count)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    return rows, places[first[rows] + within]
