"""Golden sets and behaviour suites as immutable snapshots, none of whose rows may be missing."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow.parquet as pq

from infra.errors import DataError, SettingsError
from infra.store import ObjectStore
from tasks.ingestion.given_splits import OneSplit
from tasks.ingestion.layout import Layout
from tasks.ingestion.snapshot import freeze
from tasks.records.data import Snapshot, SourceVersion
from tasks.records.golden import GoldenFiles, GoldenKind, GoldenSet
from tasks.sources.columns import did_you_mean
from tasks.sources.pinning import pin_files
from tasks.sources.reading import read_shards
from tasks.sources.settings import SingleSource
from tasks.sources.source_names import naming
from tasks.task_types.row_shapes import shape_of

_PASS_RATE: Final = ".pass_rate"  # noqa: S105 - no password
_NAMED: Final = 12


def pin_golden_source(
    kind: GoldenKind, name: str, source: SingleSource, store: ObjectStore
) -> GoldenFiles:
    """Fingerprint what a golden set is made of, as it is now.

    Raises:
        DataError: a file or package is missing, or the path matches nothing.

    """
    with naming(f"evaluation.{kind}.{name}"):
        return GoldenFiles(kind, name, pin_files(source, store))


def ingest_golden_source(
    files: GoldenFiles,
    source: SingleSource,
    functionality_column: str,
    task_type: str,
    store: ObjectStore,
) -> GoldenSet:
    """Copy a golden set to the store.

    Args:
        files: what it is made of.
        source: how they are read, functionalities as a group column.
        functionality_column: of a behaviour suite; empty otherwise.
        task_type: of the line.
        store: that holds the copy.

    Raises:
        DataError: it is empty, changed, or not what the settings say; a row cannot be read, or one
            of a suite does not say what it tries.
        SettingsError: the settings name columns that the task type lacks.

    """
    with naming(f"evaluation.{files.kind}.{files.name}"):
        shape = shape_of(task_type)
        version = SourceVersion(files.files)
        shards = read_shards(version, source, shape, store)
        layout = Layout(shape, source.group_columns)
        snapshot = freeze(shards, version, layout, OneSplit("test"), source.max_rows, store)
        _refuse_broken(snapshot)
        found = _functionalities(snapshot, functionality_column, store)
    return GoldenSet(files.kind, files.name, snapshot, functionality_column, found)


def _refuse_broken(snapshot: Snapshot) -> None:
    if snapshot.rows_broken:
        reasons = ", ".join(f"{why} {rows:,}" for why, rows in snapshot.broken_by_reason.items())
        raise DataError(
            f"{snapshot.rows_broken:,} row(s) cannot be read ({reasons}); a set that loses rows "
            f"measures something else: mend them. They are listed in {snapshot.broken.uri}"
        )


def _functionalities(
    snapshot: Snapshot, column: str, store: ObjectStore
) -> tuple[tuple[str, int], ...]:
    """Rows of each functionality by its name; none where there is no such column."""
    if not column:
        return ()
    with TemporaryDirectory(prefix="assayline-") as folder:
        path = store.get_file(snapshot.artifact, Path(folder) / "rows.parquet")
        values = pq.read_table(path, columns=[column])[column].to_pylist()
    if missing := sum(value is None for value in values):
        raise DataError(
            f"{missing:,} row(s) hold nothing in the column {column!r}, which says what each "
            "tries; fill it in"
        )
    return tuple(sorted(Counter(values).items()))


def check_gated_functionalities(sets: Sequence[GoldenSet], metrics: Sequence[str]) -> None:
    """Refuse gates on functionalities that no row of a suite tries, before anything is trained.

    Args:
        sets: of the line.
        metrics: of its gates.

    Raises:
        SettingsError: with every such gate, and the functionalities that there are.

    """
    wrong = []
    for one in sets:
        start, known = f"{one.family}.", [name for name, _ in one.rows_by_functionality]
        for metric in metrics if one.kind == "behaviour" else ():
            named = metric.removeprefix(start).removesuffix(_PASS_RATE)
            is_of_one = metric.startswith(start) and metric != f"{one.family}{_PASS_RATE}"
            if is_of_one and named not in known:
                more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
                wrong.append(
                    f"{metric}: no row of {one.setting} tries {named!r}; there are "
                    f"{', '.join(known[:_NAMED])}{more}{did_you_mean(named, known)}"
                )
    if wrong:
        raise SettingsError("policy.gates: " + "\n".join(wrong))
