"""The rows of one side, read as a stream: a few numbers of each, and the texts of a sample.

All clean rows are compared, whatever their split: a split is dealt by the hash of a row, so all
three have one distribution, and the held-out rows judge the candidate as much as the training rows
make it. A row is known by its row_id and counts once a side; rows of one row_id stand together.
"""

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.errors import DataError
from tasks.task_types.rows import CLUSTER, Column, RowShape, arrow_type, texts_of

# What the checks read of a text that is drawn, at most: a book must not outweigh all other rows.
TEXT_CHARACTERS = 5_000
# Stands for the label of a row that bears none.
NO_LABEL = "(none)"
_BATCH_ROWS = 4_096
_SPLIT = "split"

Labels = tuple[str, ...]


class SampledRow(NamedTuple):
    """A row as the checks read it.

    Attributes:
        key: hash of its row_id, and so a random number.
        text: as the model reads it; in a sample, its first `TEXT_CHARACTERS`.
        labels: empty where the task type has none.
        cluster: author, document or conversation; empty where the row names none.
        characters: of the whole text.

    """

    key: int
    row_id: str
    text: str
    labels: Labels
    cluster: str = ""
    characters: int = 0


@dataclass(frozen=True)
class RowSample:
    """The rows of before, or those of now.

    Attributes:
        keys: hash of each row_id, (N,) uint64.
        text_marks: checksum of each clean text, (N,) uint32: the same row can be redacted anew.
        label_marks: checksum of each row's labels, (N,) uint32: the same row can be relabelled.
        length_counts: how many texts have how many characters.
        label_counts: how often each label stands; empty where the rows have no readable labels.
        sample: rows of the least keys, in their order.

    """

    keys: NDArray[np.uint64]
    text_marks: NDArray[np.uint32]
    label_marks: NDArray[np.uint32]
    length_counts: dict[int, int]
    label_counts: dict[str, int]
    sample: tuple[SampledRow, ...]

    @property
    def rows(self) -> int:
        """Distinct rows."""
        return len(self.keys)


def read_row_sample(
    path: Path, shape: RowShape, *, max_rows: int, seed: int, split: str | None = None
) -> RowSample:
    """Read clean rows in batches; only numbers of all rows and the sample are held.

    The sample is of the rows with the least hash: a row that is drawn from one side is drawn from
    the other too, if it stands there and both are as large.

    Args:
        path: Parquet of clean rows.
        shape: what the task type's rows are made of.
        max_rows: of the sample.
        seed: of the hash.
        split: read only its rows; None for all.

    Raises:
        DataError: the file is no Parquet, or lacks what the task type's rows are made of.

    """
    numbers = [numbers_of([])]
    lengths: Counter[int] = Counter()
    labels: Counter[str] = Counter()
    drawn: list[SampledRow] = []
    for batch in _read_batches(path, shape, split):
        rows = [_drawn_row(*values, seed) for values in zip(*batch, strict=True)]
        lengths.update(len(row.text) for row in rows)
        labels.update(label for row in rows for label in row.labels)
        numbers.append(numbers_of(rows))
        drawn = sorted([*drawn, *rows], key=lambda row: row.key)[:max_rows]
        drawn = [row._replace(text=row.text[:TEXT_CHARACTERS]) for row in drawn]
    keys, text_marks, label_marks = map(np.concatenate, zip(*numbers, strict=True))
    return RowSample(keys, text_marks, label_marks, dict(lengths), dict(labels), tuple(drawn))


def _read_batches(
    path: Path, shape: RowShape, split: str | None
) -> Iterator[tuple[list[str], list[str], list[Labels], list[str]]]:
    """row_id, text, labels and cluster of distinct rows."""
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise DataError(f"cannot be read as Parquet ({error})") from error
    with file:
        label_column, names = _columns_in(file.schema_arrow, shape)
        names += [_SPLIT] if split is not None else []
        last = None
        for batch in file.iter_batches(_BATCH_ROWS, columns=names):
            rows = pa.Table.from_batches([batch])
            row_ids = rows["row_id"].to_pylist()
            is_first = [one != before for one, before in pairwise([last, *row_ids])]
            last = row_ids[-1] if row_ids else last
            rows = rows.filter(pa.array(is_first, pa.bool_()))
            if split is not None:
                rows = rows.filter(pc.equal(rows[_SPLIT], split))
            texts = texts_of(shape, rows).fill_null("").to_pylist()
            yield rows["row_id"].to_pylist(), texts, _labels_of(rows, label_column), _clusters(rows)


def _columns_in(schema: pa.Schema, shape: RowShape) -> tuple[str | None, list[str]]:
    """The label column, where it stands there, and all columns to read."""
    missing = [
        column.name
        for column in (Column("row_id", "text"), *shape.inputs)
        if not _holds(schema, column)
    ]
    if missing:
        has = ", ".join(schema.names)
        lacks = ", ".join(missing)
        raise DataError(f"lack the column(s) {lacks} of {shape.task_type} (they have {has})")
    names = ["row_id", *(column.name for column in shape.inputs)]
    names += [CLUSTER] if CLUSTER in schema.names else []
    for column in shape.columns:
        if column.name == shape.label_column and _holds(schema, column):
            return column.name, [*names, column.name]
    return None, names


def _holds(schema: pa.Schema, column: Column) -> bool:
    if column.name not in schema.names:
        return False
    return _kind_of(schema.field(column.name).type) == _kind_of(arrow_type(column.kind))


def _kind_of(found: pa.DataType) -> str:
    """The type in words: pandas writes a string as large_string, and Parquet an item as element."""
    return str(found).replace("large_", "").replace("<element:", "<item:")


def _labels_of(rows: pa.Table, column: str | None) -> list[Labels]:
    if column is None:
        return [()] * len(rows)
    values = rows[column].to_pylist()
    return [(value,) if isinstance(value, str) else tuple(value or (NO_LABEL,)) for value in values]


def clusters_of(rows: Iterable[SampledRow], keys: Iterable[int]) -> list[str] | None:
    """The cluster of each key among the rows of both sides; None where no row names one.

    A row without a cluster is one of its own, and so is a row of a side that was written without.
    """
    named = {row.key: row.cluster for row in rows if row.cluster}
    if not named:
        return None
    return [f"cluster {named[key]}" if key in named else f"row {key}" for key in keys]


def _clusters(rows: pa.Table) -> list[str]:
    if CLUSTER not in rows.column_names:
        return [""] * len(rows)
    return [value or "" for value in rows[CLUSTER].to_pylist()]


def _drawn_row(row_id: str, text: str, labels: Labels, cluster: str, seed: int) -> SampledRow:
    digest = hashlib.blake2b(f"{seed} {row_id}".encode(), digest_size=8).digest()
    return SampledRow(int.from_bytes(digest, "big"), row_id, text, labels, cluster, len(text))


def numbers_of(
    rows: Sequence[SampledRow],
) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint32]]:
    """Keys, and checksums of texts and of labels."""
    texts = [zlib.crc32(row.text.encode()) for row in rows]
    labels = [mark_of_labels(row.labels) for row in rows]
    return (
        np.array([row.key for row in rows], np.uint64),
        np.array(texts, np.uint32),
        np.array(labels, np.uint32),
    )


def mark_of_labels(labels: Labels) -> int:
    """Checksum of a row's labels."""
    return zlib.crc32("\0".join(labels).encode())
