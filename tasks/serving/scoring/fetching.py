"""Predictions as one file on this machine for each input object."""

from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.records.scoring import ScoredObject

_KEY_CHARACTERS = 8


def fetch_predictions(scored: ScoredObject, folder: Path, store: ObjectStore) -> Path | None:
    """Copy the predictions of an object into a folder, as one Parquet file; an earlier copy goes.

    Returns:
        The file, which is named as the object with the start of its key; None where the object had
        no rows.

    Raises:
        DataError: the folder cannot be written to.
        StoreError: predictions are not what was written, or the store is unreachable.

    """
    if not scored.predictions:
        return None
    name = f"{PurePosixPath(scored.input_uri).name}.{scored.key[:_KEY_CHARACTERS]}.parquet"
    target = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".assayline-", dir=folder) as temporary:
            whole = Path(temporary) / "whole.parquet"
            _join(scored, whole, Path(temporary) / "part.parquet", store)
            whole.replace(target)
    except OSError as error:
        raise DataError(f"predictions cannot be written to {folder}: {error.strerror}") from error
    return target


def _join(scored: ScoredObject, whole: Path, part: Path, store: ObjectStore) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for artifact in scored.predictions:
            table = pq.read_table(store.get_file(artifact, part))
            table = table.replace_schema_metadata(None)
            if writer is None:
                writer = pq.ParquetWriter(whole, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
