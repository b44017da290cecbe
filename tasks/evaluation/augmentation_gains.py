"""What augmentation has bought: the candidate beside a model of the same recipe without it.

Both are asked the same test rows four times: as they are, with noise as people would have typed
them, those that name a group, and these about somebody else. The label of a row is that of the row
that it was made of. Noise and swaps are drawn by row_id, and are the same for both models and in
each run.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from infra.store import ObjectStore
from tasks.evaluation.comparison import Comparator, gains_over
from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.perturbations.draws import random_of
from tasks.perturbations.noise import add_noise
from tasks.protected_groups.swapping import SwapList, about_another, read_swaps
from tasks.protected_groups.word_files import swap_file
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.training import Weights
from tasks.resampling_units import units_of_table
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.measures import Measured
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, RowShape
from tasks.verdicts import Estimate, undetermined

FAMILY: Final = "augmentation"
CLEAN, NOISY, GROUP, SWAPPED = "clean", "noisy", "group", "swapped"
# The kinds of test rows that both models are asked, in the order in which they are told.
KINDS: Final = (CLEAN, NOISY, GROUP, SWAPPED)
WITHOUT: Final = "without"
# Share of the words, or Chinese characters, of a noisy row that are hit.
NOISE: Final = 0.2
# Not the seed of any augmentation: the noise of the test rows is drawn apart.
_NAME: Final = "noisy test row"


@dataclass(frozen=True)
class AskedRows:
    """Test rows of one kind.

    Attributes:
        rows: of the columns of the test rows, (M,).
        reason: why none are asked; empty where some are.

    """

    kind: str
    rows: pa.Table
    reason: str = ""


def add_augmentation_gains(
    scores: Scores,
    weights: Weights,
    without: Weights,
    data: DataReport,
    task_type: str,
    settings: EvaluationSettings,
    swaps: Sequence[str],
    *,
    store: ObjectStore,
) -> Scores:
    """The scores with augmentation.KIND.METRIC, ….without.METRIC and ….METRIC_gain of each kind.

    Args:
        scores: of the candidate.
        weights: the candidate.
        without: a model of the same recipe that did not learn the new rows.
        data: the clean rows.
        task_type: of both.
        settings: of the evaluation.
        swaps: swap lists that say which rows name a group.
        store: holds the artifacts.

    Raises:
        DataError: the test split is empty.
        SettingsError: a swap list cannot be read.
        StoreError: an artifact is missing.
        TrainingError: the scores of a model are no numbers.

    """
    shape = shape_of(task_type)
    plain = examiner_of(task_type, data.labels, TokenLimits.of(weights), settings.seed)
    examiner = AskedExaminer(plain, settings)
    with tempfile.TemporaryDirectory(prefix="augmentation-") as name:
        work = Path(name)
        clean = store.get_file(data.clean, work / "clean.parquet")
        test = read_rows(clean, "test", shape, extra=True)
        models = [
            store.get_folder(one.artifact, work / folder)
            for one, folder in ((weights, "with"), (without, WITHOUT))
        ]
        lists = [read_swaps(swap_file(one)) for one in swaps]
        asked = rows_by_kind(test, shape, data.group_columns, lists, settings)
        found = list(compare_models(models, asked, examiner))
    return replace(scores, estimates=(*scores.estimates, *found))


def rows_by_kind(
    test: pa.Table,
    shape: RowShape,
    group_columns: Sequence[str],
    lists: Sequence[SwapList],
    settings: EvaluationSettings,
) -> Iterator[AskedRows]:
    """The test rows of each kind; a row that noise or swaps cannot change is not of that kind.

    A row names a group where one of its group columns does, or where a word of a list stands in it.

    Args:
        test: the test rows, (N,).
        shape: of the task type.
        group_columns: of the source.
        lists: swap lists.
        settings: how many rows a comparison asks for.

    """
    rows = test.to_pylist()
    noisy = [_noisy(row, shape) for row in rows]
    swapped = [_about_another(row, shape, lists) for row in rows]
    groups = [
        row
        for row, other in zip(rows, swapped, strict=True)
        if other is not None or any(row.get(name) for name in group_columns)
    ]
    made: dict[str, list[dict[str, Any]]] = {
        CLEAN: rows,
        NOISY: [row for row in noisy if row is not None],
        GROUP: groups,
        SWAPPED: [row for row in swapped if row is not None],
    }
    least = settings.comparison.min_rows
    for kind in KINDS:
        few = kind != CLEAN and len(made[kind]) < least
        reason = (
            f"{len(made[kind]):,} test rows are of the kind {kind}, fewer than "
            f"evaluation.comparison.min_rows ({least:,})"
        )
        yield AskedRows(
            kind, pa.Table.from_pylist(made[kind], schema=test.schema), reason if few else ""
        )


def _noisy(row: dict[str, Any], shape: RowShape) -> dict[str, Any] | None:
    random = random_of(0, _NAME, row["row_id"])
    changed = {
        column.name: add_noise(row[column.name] or "", NOISE, random) for column in shape.inputs
    }
    told = {name: text for name, text in changed.items() if text is not None}
    return {**row, **told} if told else None


def _about_another(
    row: dict[str, Any], shape: RowShape, lists: Sequence[SwapList]
) -> dict[str, Any] | None:
    """The row about somebody else, of several others about the first; None where it names none."""
    texts = {
        column.name: about_another(row[column.name] or "", lists, lambda swaps: swaps[0])
        for column in shape.inputs
    }
    changed = {name: text for name, text in texts.items() if text is not None}
    return {**row, **changed} if changed else None


def compare_models(
    models: Sequence[Path], asked: Iterable[AskedRows], examiner: AskedExaminer
) -> Iterator[Estimate]:
    """Both models' leading metrics on the rows of each kind, and the gain of the first one.

    Args:
        models: folders of the candidate and of the model without the new rows.
        asked: rows by kind, all test rows first, whose metrics are those of every kind.
        examiner: of their task type.

    """
    leading: tuple[str, ...] = ()
    for one in asked:
        family = f"{FAMILY}.{one.kind}"
        if one.reason:
            names = [end for name in leading for end in (name, f"{name}_gain")]
            yield from (
                undetermined(f"{family}.{name}", one.rows.num_rows, one.reason) for name in names
            )
            continue
        ours, theirs = (
            examiner.measure(one.rows, examiner.predict(model, one.rows)) for model in models
        )
        leading = leading or ours.leading
        yield from _estimates(family, one.rows, ours, theirs, examiner.settings)


def _estimates(
    family: str, rows: pa.Table, ours: Measured, theirs: Measured, settings: EvaluationSettings
) -> list[Estimate]:
    cluster = CLUSTER if settings.by_cluster else None
    units = units_of_table(rows, cluster=cluster, seed=settings.seed)
    named = [
        (at, one)
        for at, measured in ((family, ours), (f"{family}.{WITHOUT}", theirs))
        for one in measured.measures
        if one.name in measured.leading
    ]
    own = levels(named, units, settings.repeats, settings.seed)
    comparator = Comparator(WITHOUT, measured=theirs)
    return [*own, *gains_over(ours, comparator, units, settings, family)]
