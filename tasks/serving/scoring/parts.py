"""The predictions of a piece: one Parquet object, the same bytes for the same rows."""

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import DataError, SettingsError
from infra.store import Artifact, ObjectStore, keep_by_digest
from tasks.serving.production_model import ProductionModel
from tasks.serving.scoring.pieces import PutAside

# Where a part says which of its rows the model refused.
_REFUSED: Final = b"assayline.put_aside"
_ANSWER_COLUMNS: Final = b"assayline.answer_columns"
REFUSED_BY_MODEL: Final = "refused by the model"


@dataclass(frozen=True)
class Part:
    """What became of a piece.

    Attributes:
        artifact: the object of its predictions.
        rows: that it holds.
        columns: of the answer.
        aside: rows that the model refused.

    """

    artifact: Artifact
    rows: int
    columns: tuple[str, ...]
    aside: tuple[PutAside, ...]


def write_part(folder: str, rows: pa.Table, model: ProductionModel, store: ObjectStore) -> Part:
    """Score rows and put them with their predictions into a folder, whole or not at all.

    Args:
        folder: as `part_folder` gives it.
        rows: the input columns, those that are kept, file and row.
        model: whose answers they are.
        store: where to.

    Raises:
        SettingsError: the task type does not say how it answers, or a kept column is called as a
            field of the answer.

    """
    aside: list[PutAside] = []
    answered, columns = _answer(rows, model, aside)
    if both := sorted(set(answered.column_names) & set(columns.column_names)):
        raise SettingsError(
            f"scoring.keep_columns names {both}, which are fields of the answer; give other names, "
            f"such as {{input_{both[0]}: {both[0]}}}"
        )
    whole = answered
    for name in columns.column_names:
        whole = whole.append_column(name, columns[name])
    production = model.production
    count = whole.num_rows
    whole = whole.append_column("version", pa.repeat(pa.scalar(production.version), count))
    digest = pa.repeat(pa.scalar(production.weights_sha256), count)
    whole = whole.append_column("weights_sha256", digest)
    told = {
        _REFUSED: json.dumps([asdict(row) for row in aside], ensure_ascii=False).encode(),
        _ANSWER_COLUMNS: json.dumps(columns.column_names).encode(),
    }
    buffer = io.BytesIO()
    whole = whole.combine_chunks().replace_schema_metadata(told)
    pq.write_table(whole, buffer, compression="zstd", row_group_size=max(count, 1))
    artifact = keep_by_digest(store, folder, buffer.getvalue(), "parquet")
    return Part(artifact, count, tuple(columns.column_names), tuple(aside))


def read_part(uris: Iterable[str], piece: pa.Table, store: ObjectStore) -> Part | None:
    """What an earlier run wrote of a piece; None where it wrote nothing that is right.

    Args:
        uris: what stands in the piece's folder.
        piece: its rows, as `write_part` was given them.
        store: where it lies.

    Raises:
        StoreError: the store is unreachable.

    """
    found = (_part_at(uri, piece, store) for uri in uris)
    return next((part for part in found if part is not None), None)


def _part_at(uri: str, piece: pa.Table, store: ObjectStore) -> Part | None:
    """None where the bytes are not those that were written, or are of other rows.

    The latter were read of a file that changed meanwhile.
    """
    content = store.get_bytes(uri)
    sha256 = hashlib.sha256(content).hexdigest()
    if PurePosixPath(uri).stem != sha256:
        return None
    table = pq.read_table(io.BytesIO(content))
    metadata = table.schema.metadata
    aside = tuple(PutAside(**row) for row in json.loads(metadata[_REFUSED]))
    refused = pa.array([row.row for row in aside], piece.schema.field("row").type)
    asked = piece.filter(pc.invert(pc.is_in(piece["row"], value_set=refused)))
    if not table.select(piece.column_names).equals(asked):
        return None
    columns = tuple(json.loads(metadata[_ANSWER_COLUMNS]))
    return Part(Artifact(uri, sha256, len(content)), table.num_rows, columns, aside)


def _answer(
    rows: pa.Table, model: ProductionModel, aside: list[PutAside]
) -> tuple[pa.Table, pa.Table]:
    """Rows with their answers; a row that the model refuses goes aside, and no other with it.

    Which one it is, halves tell.
    """
    inputs = model.input_names
    try:
        return rows, model.answer_columns(rows.select(inputs))
    except DataError as error:
        if rows.num_rows == 1:
            (row,) = rows.to_pylist()
            aside.append(PutAside.of(row, inputs, REFUSED_BY_MODEL, str(error)))
            return rows.slice(0, 0), model.answer_columns(rows.select(inputs).slice(0, 0))
    half = rows.num_rows // 2
    halves = [_answer(part, model, aside) for part in (rows.slice(0, half), rows.slice(half))]
    return (
        pa.concat_tables([kept for kept, _ in halves]),
        pa.concat_tables([columns for _, columns in halves]),
    )
