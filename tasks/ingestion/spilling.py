"""Rows parted on disk by their digests, so that a part fits in memory whatever the whole is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.ingestion.row_ids import DIGEST_BYTES

# What a bucket may hold to be worked on at once; one that grows beyond is parted further.
BUCKET_BYTES: Final = 64 << 20
# What one should hold: the size of a source that is compressed says less than half.
_AIM_BYTES: Final = 16 << 20
# So that at most 256 files are open at once; a process may open 1,024.
_MAX_BITS: Final = 8
_PREFIX_BITS: Final = 64
# Rows that share so many bits and are still too many for a bucket are of one digest.
_ENOUGH_BITS: Final = 24


@dataclass(frozen=True)
class Bucket:
    """The rows whose digests share their first bits, in the order in which they came.

    Attributes:
        bits: how many they share, at least.

    """

    path: Path
    bits: int

    @property
    def size_bytes(self) -> int:
        """Size on disk."""
        return self.path.stat().st_size

    @property
    def is_too_large(self) -> bool:
        """Whether it should be parted by more bits, and can be."""
        return self.size_bytes > BUCKET_BYTES and self.bits < _ENOUGH_BITS

    @property
    def schema(self) -> pa.Schema:
        """Columns of the rows."""
        with pa.OSFile(str(self.path)) as file:
            return pa.ipc.open_stream(file).schema

    def read(self) -> pa.Table:
        """All rows; their bytes stay on disk until they are looked at."""
        return pa.ipc.open_stream(pa.memory_map(str(self.path))).read_all()

    def pieces(self) -> Iterator[pa.Table]:
        """The rows some at a time."""
        held: list[pa.RecordBatch] = []
        size = 0
        with pa.OSFile(str(self.path)) as file:
            for batch in pa.ipc.open_stream(file):
                held.append(batch)
                size += batch.nbytes
                if size >= BUCKET_BYTES // 2:
                    yield pa.Table.from_batches(held)
                    held, size = [], 0
        if held:
            yield pa.Table.from_batches(held)


class Spill:
    """Takes rows in any number and gives them back in buckets, in the order of their digests.

    The rows have a column digest (fixed size binary). Use it as a context manager, so that its
    files are closed.
    """

    def __init__(self, folder: Path, schema: pa.Schema, size_bytes: int, bits: int = 0) -> None:
        """Make room for rows of about this size that share so many bits already."""
        wanted = (size_bytes // _AIM_BYTES).bit_length()
        self._skip, self._bits = bits, min(wanted, _MAX_BITS)
        self._paths = [folder / f"{number:03d}.arrow" for number in range(1 << self._bits)]
        folder.mkdir()
        self._writers = [pa.ipc.new_stream(str(path), schema) for path in self._paths]
        self.rows = 0

    def add(self, rows: pa.Table) -> None:
        """Append rows."""
        self.rows += rows.num_rows
        if not self._bits:
            self._writers[0].write_table(rows)
            return
        numbers = self._numbers(rows["digest"])
        parted = rows.take(pa.array(np.argsort(numbers, kind="stable")))
        ends = np.cumsum(np.bincount(numbers, minlength=len(self._paths))).tolist()
        for writer, start, end in zip(self._writers, [0, *ends], ends, strict=False):
            if start < end:
                writer.write_table(parted.slice(start, end - start))

    def _numbers(self, digests: pa.ChunkedArray) -> NDArray[np.uint8]:
        prefixes = prefixes_of(digests.combine_chunks())
        shift, mask = _PREFIX_BITS - self._skip - self._bits, (1 << self._bits) - 1
        return ((prefixes >> np.uint64(shift)) & np.uint64(mask)).astype(np.uint8)

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers:
            writer.close()

    def buckets(self) -> Iterator[Bucket]:
        """The buckets in order, once the spill is closed."""
        return (Bucket(path, self._skip + self._bits) for path in self._paths)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def prefixes_of(digests: pa.Array, start: int = 0) -> NDArray[np.uint64]:
    """64 bits of each digest, from byte `start`, as a number."""
    raw = np.frombuffer(digests.buffers()[1], np.uint8)[digests.offset * DIGEST_BYTES :]
    rows = raw[: len(digests) * DIGEST_BYTES].reshape(-1, DIGEST_BYTES)
    numbers: NDArray[np.uint64] = rows[:, start : start + 8].copy().view(">u8")[:, 0].astype("u8")
    return numbers
