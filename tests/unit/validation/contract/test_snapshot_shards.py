import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.validation.contract.snapshot_shards import read_shards

ROWS = pa.schema([("row_id", pa.string()), ("text", pa.string())])
ORIGINS = pa.schema([("file", pa.string()), ("row", pa.int64())])


def files(count: int, row_group_rows: int) -> tuple[pq.ParquetFile, pq.ParquetFile]:
    numbers = list(range(count))
    rows = {"row_id": [f"{number:03}" for number in numbers], "text": ["t"] * count}
    tables = (
        pa.table(rows, schema=ROWS),
        pa.table({"file": ["f"] * count, "row": numbers}, schema=ORIGINS),
    )
    opened = []
    for table in tables:
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, table.schema) as writer:
            for start in range(0, count, row_group_rows):
                writer.write_table(table.slice(start, row_group_rows))
        opened.append(pq.ParquetFile(io.BytesIO(sink.getvalue())))
    return opened[0], opened[1]


@pytest.mark.parametrize("row_group_rows", [1, 3, 10])
def test_shards_are_the_rows_in_order_with_their_origins(row_group_rows: int) -> None:
    shards = list(read_shards(*files(10, row_group_rows)))
    rows = pa.concat_tables([shard.rows for shard in shards])
    assert rows["row_id"].to_pylist() == [f"{number:03}" for number in range(10)]
    for shard in shards:
        stop = shard.start + shard.rows.num_rows
        assert shard.origins["row"].to_pylist() == list(range(shard.start, stop))


def test_no_rows_are_one_empty_shard_with_columns() -> None:
    (shard,) = read_shards(*files(0, 1))
    assert shard.rows.schema == ROWS
    assert shard.origins.schema == ORIGINS


def test_origins_that_are_cut_otherwise_are_a_defect_and_no_wrong_places() -> None:
    rows, _ = files(10, 5)
    _, origins = files(10, 4)
    with pytest.raises(RuntimeError, match="row group 0: 5 rows, 4 places"):
        list(read_shards(rows, origins))
