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

_PAIR = 2


def with_features(
    rows: pa.Table, shape: RowShape, model: Path, sources: pa.Table | None = None
) -> pa.Table:
    """The rows with columns length, characters, unknown_share and, where it is known, source.

    Where two entities are marked in a text, also entity_distance, the tokens between them, and
    entity_types, those of both in the order of the task type.

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
    made |= _of_entities(rows, shape, load_tokenizer(model))
    if sources is not None:
        first = pc.index_in(rows["row_id"].combine_chunks(), sources["row_id"].combine_chunks())
        made["source"] = sources["file"].combine_chunks().take(first)
    for name, column in made.items():
        if name not in rows.column_names:
            rows = rows.append_column(name, column)
    return rows


def _of_entities(rows: pa.Table, shape: RowShape, tokenizer: Any) -> dict[str, pa.Array]:
    if len(shape.entities) != _PAIR:
        return {}
    columns = [[rows[name].to_pylist() for name in one.names] for one in shape.entities]
    between, types = [], []
    for one, other in zip(*(zip(*each, strict=True) for each in columns), strict=True):
        first, second = sorted([one[1:3], other[1:3]])
        between.append(one[0][first[1] : second[0]])
        types.append(f"{one[3]}, {other[3]}")
    distance, _ = token_counts(pa.array(between, pa.string()), tokenizer)
    return {"entity_distance": pa.array(distance), "entity_types": pa.array(types, pa.string())}


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
