"""Golden sets and behaviour suites, scored with the candidate and with the champion."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.behaviour import measure_behaviour
from tasks.evaluation.champion import ScoringInputs
from tasks.evaluation.compared_versions import (
    CHAMPION,
    FetchedVersion,
    ask_on,
    fetch_versions,
    on_all_rows,
)
from tasks.evaluation.comparison import Comparator, gains_over
from tasks.evaluation.evaluation import NO_CHAMPION, write_scores
from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.features import with_features
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.intervals import levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.slice_results import measure_slices
from tasks.evaluation.training_rows import shared_rows
from tasks.records.data import DataReport
from tasks.records.evaluation import Champion, SliceResult
from tasks.records.golden import GoldenScores, GoldenSet, GoldenSets, GoldenSetScores
from tasks.records.training import Weights
from tasks.resampling import Floats
from tasks.resampling_units import Units, units_of_table
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.measures import Measured
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER, RowShape
from tasks.verdicts import Estimate, undetermined


@dataclass(frozen=True)
class _Models:
    """The candidate and the champion, as they are asked.

    Attributes:
        candidate: folder of its model.
        champion: None where there is none.

    """

    candidate: Path
    champion: FetchedVersion | None


@dataclass(frozen=True)
class _Scored:
    """One set with the answers of both models.

    Attributes:
        note: which rows the champion is not compared on, and why; empty where it is on all.

    """

    rows: pa.Table
    answers: pa.Table
    measured: Measured
    champion: Comparator
    units: Units
    note: str = ""

    @property
    def champion_scores(self) -> Floats | None:
        """Row scores of the champion, (N,), NaN where it is not compared; None where it is not."""
        if self.champion.measured is None:
            return None
        scores = on_all_rows(pa.array(self.champion.measured.row_scores), self.champion)
        return np.asarray(scores.to_numpy(zero_copy_only=False), dtype=np.float64)


def evaluate_golden_sets(
    weights: Weights,
    data: DataReport,
    champion: Champion | None,
    golden: GoldenSets,
    task_type: str,
    settings: EvaluationSettings,
    *,
    store: ObjectStore,
    tracking: Tracking,
) -> GoldenScores:
    """Measure candidate and champion on each golden set; none of their rows was learnt from.

    Raises:
        DataError: a set lacks a column.
        IntegrityError: the champion's files are not those that were proven.
        StoreError, TrackingError: a server does not answer, or an artifact is missing.
        TrainingError: the candidate's scores are no numbers.

    """
    with tempfile.TemporaryDirectory(prefix="golden-") as name:
        work = Path(name)
        fetched = fetch_versions(champion, None, work, store, tracking)
        folder = store.get_folder(weights.artifact, work / "candidate")
        models = _Models(folder, fetched[0] if fetched else None)
        return GoldenScores(
            tuple(
                _evaluate(one, weights, data, models, task_type, settings, work, store)
                for one in golden.sets
            )
        )


def _evaluate(
    one: GoldenSet,
    weights: Weights,
    data: DataReport,
    models: _Models,
    task_type: str,
    settings: EvaluationSettings,
    work: Path,
    store: ObjectStore,
) -> GoldenSetScores:
    shape = shape_of(task_type)
    path = store.get_file(one.snapshot.artifact, work / f"{one.family}.parquet")
    rows = read_rows(path, "test", shape, extra=True)
    scored = _scored(rows, path, weights, data, models, task_type, settings, store)
    found = GoldenSetScores(
        kind=one.kind,
        name=one.name,
        artifact=write_scores(rows, scored.answers, scored.measured, [scored.champion], store),
        rows=rows.num_rows,
        duplicates_dropped=one.snapshot.duplicates_dropped,
        estimates=(),
        champion_version=models.champion.version.version if models.champion else None,
        champion_note=scored.champion.reason,
        left_out_note=scored.note,
    )
    if one.kind == "behaviour":
        estimates, functionalities = measure_behaviour(
            one, rows, shape, data.labels, scored.answers, scored.measured,
            scored.champion_scores, scored.units, settings,
        )  # fmt: skip
        return replace(found, estimates=estimates, functionalities=functionalities)
    estimates, slices = measure_golden(
        one.family, with_features(scored.rows, shape, models.candidate), shape, scored.measured,
        scored.champion, scored.units, settings,
    )  # fmt: skip
    return replace(found, estimates=estimates, slices=slices)


def _scored(
    rows: pa.Table,
    path: Path,
    weights: Weights,
    data: DataReport,
    models: _Models,
    task_type: str,
    settings: EvaluationSettings,
    store: ObjectStore,
) -> _Scored:
    limits = TokenLimits.of(weights)
    plain = examiner_of(task_type, data.labels, limits, settings.seed)
    examiner = AskedExaminer(plain, settings)
    answers = examiner.predict(models.candidate, rows)
    comparator, note = Comparator(CHAMPION, reason=NO_CHAMPION), ""
    if models.champion:
        asked = ScoringInputs(task_type, rows, data.labels, limits, models.candidate, settings)
        # Its clusters are named by another source than the line's, so that texts alone tell.
        told = rows.drop_columns(CLUSTER) if CLUSTER in rows.column_names else rows
        shared = shared_rows(
            models.champion.version, data, told, path, shape_of(task_type), settings.comparison,
            store,
        )  # fmt: skip
        comparator, record = ask_on(shared, models.champion, asked, examiner, answers, settings)
        note = "" if record.reason else record.note
    cluster = CLUSTER if settings.by_cluster else None
    units = units_of_table(rows, cluster=cluster, seed=settings.seed)
    return _Scored(rows, answers, examiner.measure(rows, answers), comparator, units, note)


def measure_golden(
    family: str,
    rows: pa.Table,
    shape: RowShape,
    measured: Measured,
    champion: Comparator,
    units: Units,
    settings: EvaluationSettings,
) -> tuple[tuple[Estimate, ...], tuple[SliceResult, ...]]:
    """Own metrics, gains over the champion, and slices by property, which are not searched for.

    Args:
        family: golden.NAME.
        rows: of the set, with their features.
        shape: of the task type.
        measured: of the candidate's answers to these rows.
        champion: what is measured of its answers to them, or why nothing is.
        units: what is drawn.
        settings: which slices, how many rows a number asks for, and how often is drawn.

    """
    own = levels(
        [(family, one) for one in measured.measures], units, settings.repeats, settings.seed
    )
    asked = settings.slices.model_copy(update={"search": False})
    by_slice, slices = measure_slices(
        rows, shape, measured, units, settings.model_copy(update={"slices": asked})
    )
    of_set = [replace(estimate, name=f"{family}.{estimate.name}") for estimate in by_slice]
    gains = gains_over(measured, champion, units, settings, family)
    found = _held_to((*own, *gains, *of_set), settings.min_golden_rows)
    by_name = {estimate.name: estimate for estimate in found}
    told = tuple(replace(each, gap=by_name[f"{family}.{each.gap.name}"]) for each in slices)
    return found, told


def _held_to(estimates: Iterable[Estimate], least: int) -> tuple[Estimate, ...]:
    """The estimates, undetermined where they rest on too few rows of the set."""
    return tuple(
        one
        if one.n >= least or one.value is None
        else undetermined(
            one.name,
            one.n,
            f"it rests on {one.n} rows of the golden set; evaluation.min_golden_rows asks for "
            f"{least}",
        )
        for one in estimates
    )
