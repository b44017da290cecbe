"""A source's rows on their way to the disk, each with its digest and its split."""

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingestion.broken_rows import BrokenRows
from tasks.ingestion.given_splits import Splitter
from tasks.ingestion.layout import Layout
from tasks.ingestion.readmitted import RepairedFile, keys_of
from tasks.ingestion.row_ids import as_binary, as_hex, digests_of, trim
from tasks.ingestion.spilling import Spill
from tasks.records.data import SourceChanges
from tasks.sources.read_ahead import read_ahead
from tasks.sources.settings import READMITTED
from tasks.sources.shards import Shard
from tasks.sources.source_names import SOURCE_NAME
from tasks.task_types.row_identities import identities_of
from tasks.task_types.rows import SPLIT_WORD


def identify(rows: pa.Table, layout: Layout, splits: Splitter) -> pa.Table:
    """Rows of a shard with trimmed values, and with their digest and split."""
    if layout.splits_given and SPLIT_WORD not in rows.column_names:
        rows = rows.append_column(SPLIT_WORD, pa.nulls(rows.num_rows, pa.string()))
    rows = rows.select(layout.shard.names).cast(layout.shard)
    rows = trim(rows, layout.shape, layout.group_columns)
    identities = identities_of(rows, layout.shape)
    digests = digests_of(identities)
    split = splits.split(rows, identities, digests)
    rows = rows.append_column("digest", as_binary(digests)).append_column("split", split)
    return rows.select(layout.spill.names)


@dataclass
class Intake:
    """Takes rows in and counts them.

    Attributes:
        rows_read: all that came, broken and repaired ones included.
        superseded: those left out, since a later repaired row stands for them.
        changes: what the settings of the source made of its rows.
        read_of_source: all that came, by the name of their source where there are several.
        left_out_of_source: those that source.keep_rows does not keep, likewise.

    """

    layout: Layout
    splits: Splitter
    spill: Spill
    broken: BrokenRows
    rows_read: int = 0
    superseded: int = 0
    changes: SourceChanges = field(default_factory=SourceChanges)
    read_of_source: Counter[str] = field(default_factory=Counter)
    left_out_of_source: Counter[str] = field(default_factory=Counter)

    def take_source(self, shards: Iterator[Shard], replaced: pa.Array) -> None:
        """Take the rows of a source, but those that are among `replaced`.

        These are row_ids, or where the splits are given row_ids with their splits: a text may then
        stand in two of them, and the repaired row stands for one.

        While some rows are written to disk the next ones are read and hashed.
        """
        for rows in read_ahead(self._identified(shards, replaced)):
            self.spill.add(rows)

    def _identified(
        self, shards: Iterator[Shard], replaced: pa.Array
    ) -> Generator[pa.Table, None, None]:
        for shard in shards:
            self._count(shard)
            self.broken.add(shard.broken)
            rows = identify(shard.rows, self.layout, self.splits)
            if len(replaced):
                rows = self._without(rows, self._are_in(rows, replaced))
            yield rows

    def _count(self, shard: Shard) -> None:
        left_out = shard.changes.rows_left_out
        read = shard.rows.num_rows + len(shard.broken) + left_out
        self.rows_read += read
        self.changes = self.changes.plus(shard.changes)
        self.read_of_source[shard.source] += read
        self.left_out_of_source[shard.source] += left_out

    def take_repaired(self, file: RepairedFile, replaced: pa.Array) -> None:
        """Take repaired rows, but those that a later file repairs once more."""
        read = file.rows
        self.rows_read += read.num_rows
        self.read_of_source[READMITTED] += read.num_rows
        if self.layout.has_sources:
            name = pa.repeat(pa.scalar(READMITTED, pa.string()), read.num_rows)
            read = read.append_column(SOURCE_NAME, name)
        rows = identify(read, self.layout, self.splits)
        stand_for = file.keys if self.layout.splits_given else file.stand_for
        again = pc.or_(self._are_in(rows, replaced), pc.is_in(stand_for, value_set=replaced))
        self.spill.add(self._without(rows, again))

    def _without(self, rows: pa.Table, dropped: pa.Array) -> pa.Table:
        left = rows.filter(pc.invert(dropped))
        self.superseded += rows.num_rows - left.num_rows
        return left

    def _are_in(self, rows: pa.Table, replaced: pa.Array) -> pa.Array:
        keys = as_hex(rows["digest"].combine_chunks())
        if self.layout.splits_given:
            keys = keys_of(keys, rows["split"].combine_chunks())
        return pc.is_in(keys, value_set=replaced)
