"""Numbers of all rows on disk, in row order, so that memory does not grow with the rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tasks.validation.leakage.hashing import MISSING, Flags, Hashes, Positions

# Entries that are sorted at a time: some 40 MB.
_PART_ROWS: Final = 1 << 19
_CHUNK_ROWS: Final = 1 << 18
NOWHERE: Final = -1


class NumberColumn:
    """One value a row, appended batch by batch and read back in chunks or by position.

    Args:
        path: file that holds them.
        dtype: of a value.
        width: values a row, where a row has several.

    """

    def __init__(self, path: Path, dtype: DTypeLike, width: int = 1) -> None:
        self._path = path
        self._dtype = np.dtype(dtype)
        self._width = width
        path.touch()

    def __len__(self) -> int:
        return self._path.stat().st_size // (self._dtype.itemsize * self._width)

    def append(self, values: NDArray[Any]) -> None:
        """Add the values of the next rows."""
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(values, self._dtype).tobytes())

    def chunks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """All values, with the position of the first of each chunk."""
        for start in range(0, len(self), _CHUNK_ROWS):
            yield (
                start,
                np.fromfile(
                    self._path, self._dtype, _CHUNK_ROWS, offset=start * self._dtype.itemsize
                ),
            )

    def read(self) -> NDArray[Any]:
        """All values."""
        return np.fromfile(self._path, self._dtype)

    def take(self, positions: Positions) -> NDArray[Any]:
        """The values at these positions, (positions,) or (positions, width)."""
        shape = (-1, self._width) if self._width > 1 else (-1,)
        if not len(positions):
            return np.zeros((0, *shape[1:]), self._dtype)
        # Unmapped on return, so that only the pages of these rows count as memory.
        return np.asarray(np.memmap(self._path, self._dtype, mode="r").reshape(shape)[positions])


def find_repeated(
    column: NumberColumn, wanted: Flags | None = None
) -> Iterator[tuple[Hashes, Positions]]:
    """Hashes that stand in two or more rows, and these rows, sorted by hash and position.

    All rows of a hash come in one part. The hashes of a part share their leading bits, so that a
    part holds about a million of them however many rows there are.

    Args:
        column: hashes; MISSING ones are left out.
        wanted: (rows,) rows to look at; None takes all.

    """
    parts = -(-len(column) // _PART_ROWS)
    for part in range(parts):
        yield _repeated(*_read_part(column, wanted, part, parts))


def _read_part(
    column: NumberColumn, wanted: Flags | None, part: int, parts: int
) -> tuple[Hashes, Positions]:
    hashes, positions = [], []
    for start, values in column.chunks():
        taken = values != MISSING
        if wanted is not None:
            taken &= wanted[start : start + len(values)]
        if parts > 1:
            taken &= ((values >> np.uint64(32)) * np.uint64(parts)) >> np.uint64(32) == part
        hashes.append(values[taken])
        positions.append(np.flatnonzero(taken) + start)
    return np.concatenate(hashes), np.concatenate(positions)


def _repeated(hashes: Hashes, positions: Positions) -> tuple[Hashes, Positions]:
    order = np.argsort(hashes)
    hashes, positions = hashes[order], positions[order]
    like_next = hashes[1:] == hashes[:-1]
    repeated = np.zeros(len(hashes), np.bool_)
    repeated[1:] = like_next
    repeated[:-1] |= like_next
    hashes, positions = hashes[repeated], positions[repeated]
    order = np.lexsort((positions, hashes))
    return hashes[order], positions[order]


def find_first_and_last(cells: Positions, count: int) -> tuple[Positions, Positions]:
    """Where each cell number from 0 to count stands first and last; NOWHERE if it does not."""
    first, last = np.full(count, NOWHERE), np.full(count, NOWHERE)
    found, places = np.unique(cells, return_index=True)
    first[found] = places
    found, places = np.unique(cells[::-1], return_index=True)
    last[found] = len(cells) - 1 - places
    return first, last
