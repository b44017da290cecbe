"""The columns of a snapshot, and of its rows while they are sorted."""

from dataclasses import dataclass

import pyarrow as pa

from tasks.ingestion.row_ids import DIGEST_BYTES, as_hex
from tasks.sources.source_names import SOURCE_NAME
from tasks.task_types.rows import SPLIT_WORD, RowShape, arrow_type

ORIGINS = pa.schema([("file", pa.string()), ("row", pa.int64())])


@dataclass(frozen=True)
class Layout:
    """The columns of a line's rows.

    Attributes:
        group_columns: columns that hold protected attributes.
        has_sources: whether the rows are of several sources, whose names are among their origins.
        splits_given: whether a column or the source says the split of a row; rows that are equal
            but for it are then kept, since which of them is a leak is told later.

    """

    shape: RowShape
    group_columns: tuple[str, ...]
    has_sources: bool = False
    splits_given: bool = False

    @property
    def origins(self) -> pa.Schema:
        """Columns that say where each row came from."""
        name = [pa.field(SOURCE_NAME, pa.string())] if self.has_sources else []
        return pa.schema([*name, *ORIGINS])

    @property
    def shard(self) -> pa.Schema:
        """Columns of the rows as a reader hands them on."""
        word = [pa.field(SPLIT_WORD, pa.string())] if self.splits_given else []
        return pa.schema([*self._own, *self._told, *word, *self.origins])

    @property
    def spill(self) -> pa.Schema:
        """Columns of the rows on their way: digest for row_id, and where each came from."""
        digest = ("digest", pa.binary(DIGEST_BYTES))
        return pa.schema([digest, *self._values, *self.origins])

    @property
    def snapshot(self) -> pa.Schema:
        """Columns of the snapshot."""
        return pa.schema([("row_id", pa.string()), *self._values])

    @property
    def told_by(self) -> tuple[str, ...]:
        """The columns in which rows of one row_id can differ."""
        answers = [column.name for column in self.shape.columns if not column.is_input]
        given = ("split",) if self.splits_given else ()
        return (*answers, *self.group_columns, "cluster", *given)

    @property
    def _own(self) -> list[pa.Field]:
        return [pa.field(column.name, arrow_type(column.kind)) for column in self.shape.columns]

    @property
    def _told(self) -> list[pa.Field]:
        return [pa.field(name, pa.string()) for name in (*self.group_columns, "cluster")]

    @property
    def _values(self) -> list[pa.Field]:
        return [*self._own, pa.field("split", pa.string()), *self._told]

    def as_snapshot(self, rows: pa.Table) -> pa.Table:
        """Rows of the spill as those of the snapshot."""
        row_ids = as_hex(rows["digest"].combine_chunks())
        values = {name: rows[name] for name in self.snapshot.names[1:]}
        return pa.table({"row_id": row_ids} | values, schema=self.snapshot)
