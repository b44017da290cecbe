"""Which test rows a registered version was trained or selected on, by what it was made of.

A version remembers the rows that it was trained on, and those that its epoch was chosen by. Where
the split has changed since (another salt, other shares, a column that says it), such rows stand in
today's test split, and the version looks better on them than it is. They leave its comparison.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.errors import DataError, MissingObjectError
from infra.store import Artifact, ObjectStore
from tasks.evaluation.comparison_settings import ComparisonSettings
from tasks.records.data import DataReport
from tasks.records.evaluation import Champion
from tasks.task_types.rows import CLUSTER, RowShape, texts_of
from tasks.text_normalisation import normalise

Flags = NDArray[np.bool_]

# The splits that a model is made with: by the first it learns, by the second its epoch is chosen.
LEARNT_FROM: Final = ("train", "validation")
WAY_OUT: Final = (
    "promote a version of this line's own by `assayline promote`, or set "
    "evaluation.comparison.unknown_training_rows to compare if you know that it has seen none of "
    "the test rows"
)


@dataclass(frozen=True)
class SharedRows:
    """The test rows that a version may be compared on.

    Attributes:
        kept: whether each test row counts, (N,).
        note: which do not and why, in one sentence; empty where all do.
        reason: why there is no comparison; empty where there is one.

    """

    kept: Flags
    note: str = ""
    reason: str = ""

    @property
    def left_out(self) -> int:
        """Test rows that the version was trained or selected on."""
        return int((~self.kept).sum())

    def of(self, rows: pa.Table) -> pa.Table:
        """Those of N rows that count."""
        return rows if self.kept.all() else rows.filter(pa.array(self.kept))


def shared_rows(
    version: Champion,
    data: DataReport,
    test: pa.Table,
    clean: Path,
    shape: RowShape,
    settings: ComparisonSettings,
    store: ObjectStore,
) -> SharedRows:
    """The test rows that a version has not learned, and why there are none where there are none.

    Args:
        version: with the address of the rows that it was made with.
        data: of the candidate.
        test: its test rows, (N,), with row_id and the shape's columns.
        clean: Parquet file of all its rows.
        shape: of the task type.
        settings: how many must be left, and what becomes of a version that tells nothing.
        store: holds the version's rows.

    Raises:
        StoreError: the store does not answer, or the version's rows are not what was written.

    """
    every = np.ones(test.num_rows, dtype=np.bool_)
    same = version.data_sha256 == data.clean.sha256
    if same and not version.augmented_sha256:
        return SharedRows(every)  # its test rows were held out from it as from the candidate
    name = version.name
    try:
        seen = _made_of_others(version, test, clean.parent, shape, store)
        seen = seen if same else seen | _seen_by(version, test, clean, shape, store)
    except (DataError, MissingObjectError, pa.ArrowException) as error:
        why = f"the rows that {name} was trained on cannot be read ({error})"
        if settings.unknown_training_rows == "compare":
            by = "by evaluation.comparison.unknown_training_rows it is compared on all test rows"
            return SharedRows(every, note=f"{why}; {by}")
        return SharedRows(~every, reason=f"{why}, and it may have learned the test rows; {WAY_OUT}")
    return _judged(name, seen, settings.min_rows)


def _judged(name: str, seen: Flags, min_rows: int) -> SharedRows:
    left_out, left = int(seen.sum()), int((~seen).sum())
    if not left_out:
        return SharedRows(~seen)
    note = (
        f"{left_out:,} of the {len(seen):,} test rows are left out of the comparison with {name}, "
        f"which was trained or selected on them; {left:,} are left"
    )
    if left < min_rows:
        few = f"fewer than evaluation.comparison.min_rows ({min_rows:,})"
        return SharedRows(~seen, note, f"{note}, {few}")
    return SharedRows(~seen, note)


def _seen_by(
    version: Champion, test: pa.Table, clean: Path, shape: RowShape, store: ObjectStore
) -> Flags:
    """(N,) whether the version has learned a test row, its text, or its author or document."""
    if not version.data_uri or not version.data_sha256:
        raise DataError("nothing in the registry names them")
    made_with = Artifact(version.data_uri, version.data_sha256, 0)
    path = store.get_file(made_with, clean.parent / f"learnt-by-{version.version}.parquet")
    try:
        return rows_seen(test, clean, path, shape)
    finally:
        path.unlink()


def _made_of_others(
    version: Champion, test: pa.Table, folder: Path, shape: RowShape, store: ObjectStore
) -> Flags:
    """(N,) whether a test row, or its text, is one of those that augmentation made.

    Their authors and documents are those of their parents, which are among the rows that it was
    made with.
    """
    if not version.augmented_sha256:
        return np.zeros(test.num_rows, dtype=np.bool_)
    artifact = Artifact(version.augmented_uri, version.augmented_sha256, 0)
    path = store.get_file(artifact, folder / f"augmented-of-{version.version}.parquet")
    try:
        return _known_rows(test, path, _learnt_ids(path, shape), shape)
    finally:
        path.unlink()


def rows_seen(test: pa.Table, clean: Path, learnt: Path, shape: RowShape) -> Flags:
    """Which test rows a model was trained or selected on, (N,).

    A row counts as seen by its identity (what the model reads of it), by its text as normalised
    (case, punctuation and Unicode form apart), and by its cluster: rows of an author or a document
    that the model knows are not held out from it, be it that the clusters were named later.

    Args:
        test: with row_id, the shape's inputs and, where there is one, cluster.
        clean: Parquet file of all rows of the candidate, the test rows among them.
        learnt: Parquet file of the rows that the model was made with, with their splits then.
        shape: of the task type.

    Raises:
        DataError: a column is missing.

    """
    ids = _learnt_ids(learnt, shape)
    seen = _known_rows(test, learnt, ids, shape)
    if CLUSTER in test.column_names:
        known = _known_clusters(clean, learnt, ids)
        seen = seen | pc.is_in(test[CLUSTER], value_set=known).to_numpy()
    return np.asarray(seen, dtype=np.bool_)


def _known_rows(test: pa.Table, learnt: Path, ids: pa.Array, shape: RowShape) -> Flags:
    known = pc.is_in(test["row_id"], value_set=ids).to_numpy() | _known_texts(test, learnt, shape)
    return np.asarray(known, dtype=np.bool_)


def _learnt_ids(learnt: Path, shape: RowShape) -> pa.Array:
    found = pq.read_schema(learnt).names
    inputs = [column.name for column in shape.inputs]
    if missing := [name for name in ("row_id", "split", *inputs) if name not in found]:
        raise DataError(f"they have no column {missing}; they have {found}")
    rows = pq.read_table(learnt, columns=["row_id"], filters=[("split", "in", LEARNT_FROM)])
    return rows["row_id"].combine_chunks()


def _known_texts(test: pa.Table, learnt: Path, shape: RowShape) -> Flags:
    own = [normalise(text or "") for text in texts_of(shape, test).to_pylist()]
    wanted, known = set(own) - {""}, set[str]()
    for texts in _learnt_texts(learnt, shape):
        known |= wanted.intersection(normalise(text) for text in texts if text)
    return np.fromiter((text in known for text in own), dtype=np.bool_, count=len(own))


def _learnt_texts(learnt: Path, shape: RowShape) -> Iterator[list[str | None]]:
    """Texts of the rows that were learned from, part by part."""
    columns = ["split", *(column.name for column in shape.inputs)]
    with pq.ParquetFile(learnt) as file:
        for batch in file.iter_batches(columns=columns):
            rows = pa.Table.from_batches([batch])
            rows = rows.filter(pc.is_in(rows["split"], value_set=pa.array(LEARNT_FROM)))
            yield texts_of(shape, rows).to_pylist()


def _known_clusters(clean: Path, learnt: Path, ids: pa.Array) -> pa.Array:
    """Clusters with a row that was learned from: as they are named now, and as they were then."""
    now = pq.read_table(clean, columns=["row_id", CLUSTER])
    known = [now.filter(pc.is_in(now["row_id"], value_set=ids))[CLUSTER]]
    if CLUSTER in pq.read_schema(learnt).names:
        chosen = [("split", "in", LEARNT_FROM)]
        known.append(pq.read_table(learnt, columns=[CLUSTER], filters=chosen)[CLUSTER])
    chunks = [chunk.cast(pa.string()) for part in known for chunk in part.chunks]
    return pa.chunked_array(chunks, pa.string()).unique().drop_null()
