"""Pairs of rows whose shingle sets are alike: candidates by band, then judged exactly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.records.data import SPLITS
from tasks.validation.leakage.columns import (
    NOWHERE,
    NumberColumn,
    find_first_and_last,
    find_repeated,
)
from tasks.validation.leakage.hashing import Flags, Hashes, Positions, hash_shingles
from tasks.validation.leakage.links import Links, most_alike
from tasks.validation.leakage.scanning import Scan, TextFile
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.leakage.signatures import least_agreement

# In a band's group of up to this many rows, each is held against every other. In a greater one
# that would be quadratic: each is held against the first row of each split, which stands for the
# group, and against the next few.
MAX_GROUP_ROWS: Final = 64
_NEXT_IN_CROWD: Final = 4
# Of a row's candidates by sketch that many are judged, and one if that one is near enough.
_MAX_JUDGED: Final = 16
_BUCKET_ROWS: Final = 1 << 14
_PENDING_PAIRS: Final = 1 << 20
_SKETCHES_AT_A_TIME: Final = 1 << 13
_BATCH_BYTES: Final = 1_000_000
_LOW_BITS: Final = np.uint64(32)
_LOW_MASK: Final = np.uint64(2**32 - 1)
# The scale of rounding in a quotient of two whole numbers.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class NearDuplicates:
    """Rows like another above the threshold, each with the most alike twin by their sketches.

    Attributes:
        within: rows like an earlier one of their split.
        across: rows like one of a split that is held out from theirs.
        crowded_rows: rows of groups so large that not every pair of them was held together.

    """

    within: Links
    across: Links
    crowded_rows: int


class CandidatePairs:
    """Rows and possible twins on disk, in buckets by row that each fit in memory."""

    def __init__(self, folder: Path, splits: NDArray[np.uint8]) -> None:
        self._splits = splits
        self._buckets = [
            NumberColumn(folder / f"pairs_{start}", np.uint64)
            for start in range(0, len(splits), _BUCKET_ROWS)
        ]
        self._pending: list[Hashes] = []

    def append(self, one: Positions, other: Positions) -> None:
        """Add pairs: the row of the split that is not held out comes first, or the later row."""
        key, other_key = self._splits[one], self._splits[other]
        is_row = (key < other_key) | ((key == other_key) & (one > other))
        rows, twins = np.where(is_row, one, other), np.where(is_row, other, one)
        self._pending.append((rows.astype(np.uint64) << _LOW_BITS) | twins.astype(np.uint64))
        if sum(map(len, self._pending)) > _PENDING_PAIRS:
            self._flush()

    def buckets(self) -> Iterator[tuple[Positions, Positions]]:
        """Distinct pairs (row, twin), sorted; all pairs of a row come at once."""
        self._flush()
        for bucket in self._buckets:
            pairs = np.unique(bucket.read())
            yield (pairs >> _LOW_BITS).astype(np.int64), (pairs & _LOW_MASK).astype(np.int64)

    def _flush(self) -> None:
        pairs = np.unique(np.concatenate([np.zeros(0, np.uint64), *self._pending]))
        starts = np.arange(len(self._buckets) + 1, dtype=np.uint64) * np.uint64(_BUCKET_ROWS)
        edges = np.searchsorted(pairs, starts << _LOW_BITS).tolist()
        for bucket, (start, stop) in zip(self._buckets, pairwise(edges), strict=True):
            if stop > start:
                bucket.append(pairs[start:stop])
        self._pending = []


def find_near_duplicates(
    scan: Scan, copies: Links, settings: LeakageSettings, folder: Path
) -> NearDuplicates:
    """Judge the pairs of rows that share a band, copies of an equal text left out."""
    wanted = np.ones(len(scan.text_hashes), np.bool_)
    wanted[copies.rows] = False
    pairs = CandidatePairs(folder, scan.splits)
    crowded = np.zeros(len(wanted), np.bool_)
    for band in scan.bands:
        for hashes, positions in find_repeated(band, wanted):
            _pair_up(hashes, positions, scan, pairs, crowded)
    within, across = [], []
    for rows, twins in pairs.buckets():
        is_within = scan.splits[rows] == scan.splits[twins]
        within.append(_judge(rows[is_within], twins[is_within], scan, settings))
        across.append(_judge(rows[~is_within], twins[~is_within], scan, settings))
    return NearDuplicates(most_alike(within), most_alike(across), int(crowded.sum()))


def jaccard(
    texts: Sequence[str], one: Positions, other: Positions, characters: int
) -> NDArray[np.float64]:
    """The share of shingles that two texts have in common, for each pair of places in `texts`."""
    from scipy.sparse import csr_array

    shingles, offsets = hash_shingles(texts, characters)
    # A row a text, with a 1 in the column of each of its shingles.
    columns = (shingles >> np.uint64(1)).view(np.int64)
    ones = np.ones(len(columns), np.int32)
    sets = csr_array((ones, columns, offsets), shape=(len(texts), np.iinfo(np.int64).max))
    sets.sum_duplicates()
    sets.data[:] = 1
    sizes = np.diff(sets.indptr)
    common: NDArray[np.int64] = sets[one].multiply(sets[other]).sum(axis=1)
    return np.asarray(common / (sizes[one] + sizes[other] - common))


def _pair_up(
    hashes: Hashes, positions: Positions, scan: Scan, pairs: CandidatePairs, crowded: Flags
) -> None:
    """Add the pairs of each group of rows with one hash."""
    _, group, sizes = np.unique(hashes, return_inverse=True, return_counts=True)
    in_crowd = sizes[group] > MAX_GROUP_ROWS
    crowded[positions[in_crowd]] = True
    places = np.arange(len(hashes))
    for distance in range(1, MAX_GROUP_ROWS):
        places = places[places + distance < len(hashes)]
        places = places[group[places] == group[places + distance]]
        if distance > _NEXT_IN_CROWD:
            places = places[~in_crowd[places]]
        if not len(places):
            break
        pairs.append(positions[places], positions[places + distance])
    _pair_with_firsts(group[in_crowd], positions[in_crowd], scan, pairs)


def _pair_with_firsts(
    group: Positions, positions: Positions, scan: Scan, pairs: CandidatePairs
) -> None:
    for split in range(len(SPLITS)):
        in_split = scan.splits[positions] == split
        places, _ = find_first_and_last(group[in_split], int(group.max(initial=-1)) + 1)
        own = places[group]
        there = own != NOWHERE
        rows, firsts = positions[there], positions[in_split][own[there]]
        pairs.append(rows[rows != firsts], firsts[rows != firsts])


def _judge(rows: Positions, twins: Positions, scan: Scan, settings: LeakageSettings) -> Links:
    """The rows that are near enough to a candidate.

    First the candidate with the most alike sketch is judged, and the others of a row only if that
    one falls short.
    """
    rows, twins, rank = _rank_by_sketch(rows, twins, scan, settings)
    best = rank == 0
    found = _near_enough(rows[best], twins[best], scan, settings)
    rest = ~best & (rank < _MAX_JUDGED) & ~np.isin(rows, found.rows)
    return most_alike([found, _near_enough(rows[rest], twins[rest], scan, settings)])


def _rank_by_sketch(
    rows: Positions, twins: Positions, scan: Scan, settings: LeakageSettings
) -> tuple[Positions, Positions, Positions]:
    """The pairs that may be near, with the rank of the twin among those of the row, from 0.

    Left out are equal texts, which need no judge, and pairs whose sketches are too far apart.
    """
    agreement = np.zeros(len(rows), np.int64)
    for start in range(0, len(rows), _SKETCHES_AT_A_TIME):
        some = slice(start, start + _SKETCHES_AT_A_TIME)
        agreeing = scan.sketches.take(rows[some]) == scan.sketches.take(twins[some])
        agreement[some] = agreeing.sum(axis=1)
    likely = agreement >= least_agreement(settings.permutations, settings.jaccard_threshold)
    rows, twins, agreement = rows[likely], twins[likely], agreement[likely]
    differ = scan.text_hashes.take(rows) != scan.text_hashes.take(twins)
    rows, twins, agreement = rows[differ], twins[differ], agreement[differ]
    order = np.lexsort((twins, -agreement, rows))
    rows, twins = rows[order], twins[order]
    place = np.arange(len(rows))
    is_first = np.diff(rows, prepend=-1) != 0
    return rows, twins, place - np.maximum.accumulate(np.where(is_first, place, 0))


def _near_enough(rows: Positions, twins: Positions, scan: Scan, settings: LeakageSettings) -> Links:
    found = []
    for batch in _batches(rows, twins, scan.texts):
        one, other = rows[batch], twins[batch]
        needed, places = np.unique(np.concatenate([one, other]), return_inverse=True)
        texts = scan.texts.take(needed)
        alike = jaccard(texts, places[: len(one)], places[len(one) :], settings.shingle_characters)
        near = alike >= settings.jaccard_threshold - _ROUNDING
        found.append(Links(one[near], other[near], alike[near].astype(np.float32)))
    return most_alike(found)


def _batches(rows: Positions, twins: Positions, texts: TextFile) -> Iterator[slice]:
    """Pairs whose texts come to about a megabyte; a longer pair is alone."""
    sizes = texts.spans(rows)[1] + texts.spans(twins)[1]
    number = np.cumsum(sizes) // _BATCH_BYTES
    edges = np.flatnonzero(np.diff(number, prepend=-1, append=-1))
    for start, stop in pairwise(edges.tolist()):
        yield slice(start, stop)
