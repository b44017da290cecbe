"""A source's rows on their way to the disk, each with its digest and its split."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingestion.broken_rows import BrokenRows
from tasks.ingestion.layout import Layout
from tasks.ingestion.readmitted import RepairedFile
from tasks.ingestion.row_ids import (
    as_binary,
    as_hex,
    assign_splits,
    digests_of,
    identities_of,
    trim,
)
from tasks.ingestion.spilling import Spill
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import SourceChanges
from tasks.sources.read_ahead import read_ahead
from tasks.sources.shards import Shard


def identify(rows: pa.Table, layout: Layout, splits: SplitSettings) -> pa.Table:
    """Rows of a shard with trimmed values, and with their digest and split."""
    rows = rows.select(layout.shard.names).cast(layout.shard)
    rows = trim(rows, layout.shape, layout.group_columns)
    identities = identities_of(rows, layout.shape)
    digests = digests_of(identities)
    split = assign_splits(rows["cluster"], identities, digests, splits)
    rows = rows.append_column("digest", as_binary(digests)).append_column("split", split)
    return rows.select(layout.spill.names)


@dataclass
class Intake:
    """Takes rows in and counts them.

    Attributes:
        rows_read: all that came, broken and repaired ones included.
        superseded: those left out, since a later repaired row stands for them.
        changes: what the settings of the source made of its rows.

    """

    layout: Layout
    splits: SplitSettings
    spill: Spill
    broken: BrokenRows
    rows_read: int = 0
    superseded: int = 0
    changes: SourceChanges = field(default_factory=SourceChanges)

    def take_source(self, shards: Iterator[Shard], replaced: pa.Array) -> None:
        """Take the rows of a source, but those whose row_id is among `replaced`.

        While some rows are written to disk the next ones are read and hashed.
        """
        for rows in read_ahead(self._identified(shards, replaced)):
            self.spill.add(rows)

    def _identified(
        self, shards: Iterator[Shard], replaced: pa.Array
    ) -> Generator[pa.Table, None, None]:
        for shard in shards:
            self.rows_read += shard.rows.num_rows + len(shard.broken) + shard.changes.rows_left_out
            self.broken.add(shard.broken)
            self.changes = self.changes.plus(shard.changes)
            rows = identify(shard.rows, self.layout, self.splits)
            if len(replaced):
                rows = self._without(rows, _are_in(rows, replaced))
            yield rows

    def take_repaired(self, file: RepairedFile, replaced: pa.Array) -> None:
        """Take repaired rows, but those that a later file repairs once more."""
        self.rows_read += file.rows.num_rows
        rows = identify(file.rows, self.layout, self.splits)
        again = pc.or_(_are_in(rows, replaced), pc.is_in(file.stand_for, value_set=replaced))
        self.spill.add(self._without(rows, again))

    def _without(self, rows: pa.Table, dropped: pa.Array) -> pa.Table:
        left = rows.filter(pc.invert(dropped))
        self.superseded += rows.num_rows - left.num_rows
        return left


def _are_in(rows: pa.Table, row_ids: pa.Array) -> pa.Array:
    return pc.is_in(as_hex(rows["digest"].combine_chunks()), value_set=row_ids)
