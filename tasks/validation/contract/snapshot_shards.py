"""A snapshot read row group by row group, with the places that its rows came from."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class SnapshotShard:
    """Consecutive rows of a snapshot, some MB; a row_id stands in one shard alone.

    Attributes:
        start: position of the first row in the snapshot.
        origins: file and row of each row.

    """

    start: int
    rows: pa.Table
    origins: pa.Table


def read_shards(rows: pq.ParquetFile, origins: pq.ParquetFile) -> Iterator[SnapshotShard]:
    """All rows in order; one empty shard where there are none.

    Raises:
        RuntimeError: the two files were not cut alike, a defect of this project.

    """
    start = 0
    for group in range(rows.num_row_groups):
        table, places = rows.read_row_group(group), origins.read_row_group(group)
        if table.num_rows != places.num_rows:
            raise RuntimeError(
                f"row group {group}: {table.num_rows} rows, {places.num_rows} places"
            )
        yield SnapshotShard(start, table, places)
        start += table.num_rows
    if not rows.num_row_groups:
        yield SnapshotShard(0, rows.schema_arrow.empty_table(), origins.schema_arrow.empty_table())
