"""The rows that could not be read, kept beside the snapshot."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from infra.parquet_tables import TableWriter
from infra.store import Artifact
from tasks.sources.shards import BrokenRow
from tasks.sources.source_names import SOURCE_NAME

BROKEN_SCHEMA: Final = pa.schema(
    [
        ("row_id", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("raw", pa.string()),
        ("told", pa.string()),
    ]
)
BROKEN_OF_SOURCES: Final = BROKEN_SCHEMA.insert(1, pa.field(SOURCE_NAME, pa.string()))
_ROW_GROUP_ROWS: Final = 8_192
_NAMED: Final = 3


class BrokenRows:
    """Writes broken rows and counts them by reason.

    Attributes:
        first: a few of them, to be named in a message.
        by_source: how many each of several sources has.
        superseded: how many were left out, since a repaired row stands for them.

    """

    def __init__(self, writer: TableWriter, replaced: pa.Array, schema: pa.Schema) -> None:
        self.by_reason: Counter[str] = Counter()
        self.by_source: Counter[str] = Counter()
        self._schema = schema
        self.first: list[BrokenRow] = []
        self.superseded = 0
        self._writer = writer
        self._replaced = frozenset(replaced.to_pylist())
        self._held: list[BrokenRow] = []

    def add(self, rows: Iterable[BrokenRow]) -> None:
        """Keep those that no repaired row stands for."""
        for row in rows:
            if row.sha256 in self._replaced:
                self.superseded += 1
            else:
                self._keep(row)

    def close(self) -> Artifact:
        """Put them into the store."""
        self._write()
        return self._writer.close()

    def _keep(self, row: BrokenRow) -> None:
        self.by_reason[row.reason] += 1
        self.by_source[row.source] += 1
        if len(self.first) < _NAMED:
            self.first.append(row)
        self._held.append(row)
        if len(self._held) == _ROW_GROUP_ROWS:
            self._write()

    def _write(self) -> None:
        columns = {
            "row_id": [row.sha256 for row in self._held],
            SOURCE_NAME: [row.source for row in self._held],
            "file": [row.file for row in self._held],
            "row": [row.row for row in self._held],
            "reason": [row.reason for row in self._held],
            "raw": [row.raw for row in self._held],
            "told": [row.told for row in self._held],
        }
        chosen = {name: columns[name] for name in self._schema.names}
        self._writer.write(pa.table(chosen, schema=self._schema))
        self._held = []
