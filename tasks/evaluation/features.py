"""What is known of each test row beside its own columns: lengths, unknown tokens, its source."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.store import ObjectStore
from tasks.records.data import Snapshot
from tasks.task_types.encoding import batches_of
from tasks.task_types.rows import RowShape, texts_of
from tasks.task_types.tokenizers import load_tokenizer


def with_features(
    rows: pa.Table, shape: RowShape, model: Path, sources: pa.Table | None = None
) -> pa.Table:
    """The rows with columns length, characters, unknown_share and, where it is known, source.

    A column of the rows' own with one of these names stays.

    Args:
        rows: the test rows.
        shape: of the task type.
        model: folder of the candidate, whose tokenizer counts.
        sources: row_id and file of rows, where they are known.

    """
    texts = pc.fill_null(texts_of(shape, rows), "")
    length, unknown = token_counts(texts, load_tokenizer(model))
    made = {
        "length": pa.array(length),
        "characters": pc.utf8_length(texts).cast(pa.int64()),
        "unknown_share": pa.array(unknown / np.maximum(length, 1)),
    }
    if sources is not None:
        first = pc.index_in(rows["row_id"].combine_chunks(), sources["row_id"].combine_chunks())
        made["source"] = sources["file"].combine_chunks().take(first)
    for name, column in made.items():
        if name not in rows.column_names:
            rows = rows.append_column(name, column)
    return rows


def token_counts(texts: Any, tokenizer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (N,) of each whole text, special ones left out, and how many of them are unknown."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    length = np.zeros(len(texts), dtype=np.int64)
    unknown = np.zeros(len(texts), dtype=np.int64)
    place = 0
    for batch in batches_of(texts.to_pylist()):
        for encoding in backend.encode_batch(batch, add_special_tokens=False):
            length[place] = len(encoding.ids)
            unknown[place] = encoding.ids.count(tokenizer.unk_token_id)
            place += 1
    return length, unknown


def read_sources(snapshot: Snapshot, store: ObjectStore, work: Path) -> pa.Table:
    """Columns row_id and file of all rows of a snapshot; of several sources their names as file."""
    rows = store.get_file(snapshot.artifact, work / "snapshot.parquet")
    origins = store.get_file(snapshot.origins, work / "origins.parquet")
    column = "source_name" if snapshot.by_source else "file"
    files = pq.read_table(origins, columns=[column])[column]
    return pq.read_table(rows, columns=["row_id"]).append_column("file", files)
