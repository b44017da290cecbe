"""The rows whose labels are looked at: a sample by the hash of the row_id, read in two passes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.resampling import Ints
from tasks.task_types.rows import CLUSTER, RowShape, asked_of

# What is read of a text at most: a book must not outweigh all other rows.
TEXT_CHARACTERS: Final = 5_000
_BATCH_ROWS: Final = 16_384


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """N rows as the checks read them.

    Attributes:
        texts: their first characters.
        labels: which labels each row has, (N, L) bool.
        names: the L labels.
        clusters: None where rows have none.
        rows_in_all: clean rows that the sample is of.

    """

    row_ids: tuple[str, ...]
    splits: NDArray[np.str_]
    texts: tuple[str, ...]
    labels: NDArray[np.bool_]
    names: tuple[str, ...]
    clusters: tuple[str | None, ...] | None
    rows_in_all: int

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Which rows no model learns from, (N,)."""
        return np.asarray(self.splits != "train")

    @property
    def together(self) -> tuple[str, ...]:
        """What each row may not be parted from: its cluster, or itself."""
        clusters = self.clusters or (None,) * len(self.row_ids)
        return tuple(
            row if cluster is None else cluster
            for row, cluster in zip(self.row_ids, clusters, strict=True)
        )

    @property
    def class_ids(self) -> Ints:
        """The label of each row that has one, (N,)."""
        return np.asarray(self.labels.argmax(axis=1), dtype=np.int64)


def hash_of(text: str, seed: int) -> int:
    """A random number that follows from a text."""
    digest = hashlib.blake2b(f"{seed} {text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def read_labelled_rows(
    clean: Path, shape: RowShape, names: tuple[str, ...], *, max_rows: int, seed: int
) -> LabelledRows:
    """Read at most so many clean rows; memory grows with 8 bytes a row beyond them."""
    with pq.ParquetFile(clean) as file:
        total = file.metadata.num_rows
        chosen = _chosen(file, max_rows, seed) if total > max_rows else None
        wanted = ["row_id", "split", shape.label_column or "", CLUSTER]
        columns = [*wanted, *(column.name for column in shape.inputs)]
        columns = [name for name in columns if name in file.schema_arrow.names]
        parts = [*_chosen_rows(file, columns, chosen)]
    rows = pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()
    texts = pc.utf8_slice_codeunits(asked_of(shape, rows).fill_null(""), 0, TEXT_CHARACTERS)
    return LabelledRows(
        row_ids=tuple(rows["row_id"].to_pylist()),
        splits=np.array(rows["split"].to_pylist(), dtype=np.str_),
        texts=tuple(texts.to_pylist()),
        labels=_memberships(rows[shape.label_column], names),
        names=names,
        clusters=tuple(rows[CLUSTER].to_pylist()) if CLUSTER in rows.column_names else None,
        rows_in_all=total,
    )


def _chosen(file: pq.ParquetFile, max_rows: int, seed: int) -> NDArray[np.bool_]:
    """Which rows of the file are drawn: those of the least hashes."""
    keys = np.concatenate(
        [
            np.array([hash_of(one, seed) for one in batch["row_id"].to_pylist()], np.uint64)
            for batch in file.iter_batches(_BATCH_ROWS, columns=["row_id"])
        ]
    )
    drawn = np.zeros(len(keys), np.bool_)
    drawn[np.argsort(keys, kind="stable")[:max_rows]] = True
    return drawn


def _chosen_rows(
    file: pq.ParquetFile, columns: list[str], chosen: NDArray[np.bool_] | None
) -> Iterator[pa.Table]:
    start = 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
        table = pa.Table.from_batches([batch])
        if chosen is not None:
            table = table.filter(pa.array(chosen[start : start + batch.num_rows]))
        start += batch.num_rows
        yield table


def _memberships(column: pa.ChunkedArray, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which labels each row has, of a column of labels or of lists of them."""
    values = column.combine_chunks()
    found = np.zeros((len(values), len(names)), np.bool_)
    if pa.types.is_list(values.type):
        rows = pc.list_parent_indices(values).to_numpy()
        flat = pc.list_flatten(values)
    else:
        rows, flat = np.arange(len(values)), values
    places = pc.index_in(flat, value_set=pa.array(names, pa.string())).fill_null(-1).to_numpy()
    found[rows[places >= 0], places[places >= 0]] = True
    return found
