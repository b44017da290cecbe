"""The labels of the clean rows, looked at before training: the stage's plain function."""

import logging
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.store import ObjectStore
from tasks.label_checks.confident_learning import ERROR_SHARE, error_shares, find_label_errors
from tasks.label_checks.out_of_fold import MIN_LABEL_ROWS, out_of_fold
from tasks.label_checks.row_sample import LabelledRows, read_labelled_rows
from tasks.label_checks.settings import LabelCheckSettings
from tasks.label_checks.spurious import LARGEST, find_spurious
from tasks.label_checks.suspects import BASELINE, judged_rows, list_suspects
from tasks.records.data import BrokenContractError, DataReport, Snapshot
from tasks.records.label_checks import LabelChecks, LabelErrors, SpuriousCorrelation
from tasks.resampling import Floats, Ints
from tasks.resampling_units import units_of_rows
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape
from tasks.verdicts import Verdict, undetermined

logger = logging.getLogger(__name__)

# More places than these are files of a row or so each, and tell nothing of other rows.
_MAX_SOURCES: Final = 50


def check_row_labels(
    data: DataReport, snapshot: Snapshot, settings: LabelCheckSettings, store: ObjectStore
) -> LabelChecks:
    """Look for what predicts a label too well, and for labels that look wrong.

    Raises:
        BrokenContractError: a word or property of the texts stands for a label nearly always
            (``label_checks.spurious.refuse_from``), so that a model would learn nothing else.
        StoreError: the rows are missing or were changed.

    """
    shape = shape_of(data.task_type)
    if shape.labels is None or shape.labels.kind not in {"label", "labels"} or not data.labels:
        return not_checked(f"rows of {data.task_type} have no labels of whole texts")
    with tempfile.TemporaryDirectory(prefix="check-labels-") as name:
        clean = store.get_file(data.clean, Path(name) / "clean.parquet")
        rows = read_labelled_rows(
            clean, shape, data.labels, max_rows=settings.max_rows, seed=settings.seed
        )
        spurious = find_spurious(rows, _sources(snapshot, rows, store, Path(name)), settings)
        _refuse(data, spurious)
        errors = _find_errors(clean, shape, rows, settings, store)
    for one in spurious.warned:
        logger.warning("%s", one.sentence)
    return LabelChecks(len(rows.row_ids), rows.rows_in_all, spurious, errors)


def not_checked(reason: str) -> LabelChecks:
    """What is known where nothing was looked for."""
    nothing = SpuriousCorrelation((), undetermined(LARGEST, 0, reason), None, 0, reason)
    return LabelChecks(0, 0, nothing, no_errors(reason))


def no_errors(reason: str, rows: int = 0) -> LabelErrors:
    """No search for label errors, and why."""
    return LabelErrors(None, rows, 0, {}, (), (undetermined(ERROR_SHARE, rows, reason),), reason)


def _refuse(data: DataReport, spurious: SpuriousCorrelation) -> None:
    found = [one for one in spurious.predictors if one.finding == "breach"]
    if not found:
        return
    breaches = tuple(
        f"{one.sentence}; a model would learn this alone: take it out of the texts, or where it "
        f"stands for the label rightly, add {one.feature!r} to label_checks.spurious.allowed"
        for one in found
    )
    points = "".join(f"\n  - {breach}" for breach in breaches)
    raise BrokenContractError(
        f"the labels stand in the texts:{points}",
        replace(data, verdict=Verdict.FAIL, breaches=(*data.breaches, *breaches)),
    )


@dataclass(frozen=True, eq=False)
class _Learnable:
    """The rows of labels that have enough of them.

    Attributes:
        places: of these rows in the sample, (N,).
        class_ids: (N,), from 0 to L - 1.
        names: of the L labels.
        left_out: rows by label of the others.

    """

    places: Ints
    class_ids: Ints
    names: list[str]
    left_out: dict[str, int]


def learnable(rows: LabelledRows) -> _Learnable:
    """The labels that out-of-fold models can learn."""
    counts = np.bincount(rows.class_ids, minlength=len(rows.names))
    kept = np.flatnonzero(counts >= MIN_LABEL_ROWS)
    number = np.full(len(counts), -1)
    number[kept] = np.arange(len(kept))
    class_ids = number[rows.class_ids]
    places = np.flatnonzero(class_ids >= 0)
    few = {rows.names[at]: int(counts[at]) for at in np.flatnonzero(counts < MIN_LABEL_ROWS)}
    names = [rows.names[at] for at in kept]
    return _Learnable(places, class_ids[places], names, {k: v for k, v in few.items() if v})


def part_of(rows: LabelledRows, places: Ints) -> LabelledRows:
    """Some of the rows."""
    return replace(
        rows,
        row_ids=tuple(rows.row_ids[place] for place in places),
        splits=rows.splits[places],
        texts=tuple(rows.texts[place] for place in places),
        labels=rows.labels[places],
        clusters=rows.clusters and tuple(rows.clusters[place] for place in places),
    )


def _find_errors(
    clean: Path,
    shape: RowShape,
    rows: LabelledRows,
    settings: LabelCheckSettings,
    store: ObjectStore,
) -> LabelErrors:
    if not settings.errors.search:
        return no_errors("label_checks.errors.search is false")
    if not shape.has_one_class:
        return no_errors("rows have several labels each, which is not searched")
    kept = learnable(rows)
    if len(kept.names) < 2:  # noqa: PLR2004 - a single label cannot be mistaken
        return no_errors(f"fewer than two labels have {MIN_LABEL_ROWS} rows", len(rows.row_ids))
    some = part_of(rows, kept.places)
    said = out_of_fold(some, kept.class_ids, len(kept.names), settings.seed)
    if isinstance(said, str):
        return no_errors(said, len(some.row_ids))
    return errors_of(clean, shape, some, kept.class_ids, kept.names, said, settings, store)


def errors_of(
    clean: Path,
    shape: RowShape,
    rows: LabelledRows,
    class_ids: Ints,
    names: list[str],
    said: Floats,
    settings: LabelCheckSettings,
    store: ObjectStore,
) -> LabelErrors:
    """Suspects and shares of errors by predictions (N, L) that did not learn from the row."""
    units = units_of_rows(rows.row_ids, rows.clusters, seed=settings.seed)
    places = np.flatnonzero(find_label_errors(class_ids, said))
    judged = judged_rows(rows, places, names, said[places], BASELINE)
    suspects, worst = list_suspects(clean, shape, judged, settings.errors.shown, store)
    by_label = Counter(names[label] for label in class_ids[places])
    return LabelErrors(
        suspects=suspects,
        rows=len(rows.row_ids),
        found=len(judged),
        by_label=dict(sorted(by_label.items())),
        worst=worst,
        estimates=error_shares(
            class_ids, said, names, units, repeats=settings.repeats, seed=settings.seed
        ),
    )


def _sources(
    snapshot: Snapshot, rows: LabelledRows, store: ObjectStore, work: Path
) -> Sequence[str | None] | None:
    """The file or source of each row; None where there is one place only, or far too many."""
    artifact = store.get_file(snapshot.artifact, work / "snapshot.parquet")
    origins = store.get_file(snapshot.origins, work / "origins.parquet")
    column = "source_name" if snapshot.by_source else "file"
    files = pq.read_table(origins, columns=[column])[column]
    if not 1 < len(pc.unique(files)) <= _MAX_SOURCES:
        return None
    row_ids = pq.read_table(artifact, columns=["row_id"])["row_id"]
    at = pc.index_in(pa.array(rows.row_ids, pa.string()), value_set=row_ids.combine_chunks())
    found: list[str | None] = files.combine_chunks().take(at).to_pylist()
    return found
