"""Golden sets and behaviour suites, scored with the candidate and with the champion."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.behaviour import measure_behaviour
from tasks.evaluation.champion import ScoringInputs, fetch_champion, run_champion
from tasks.evaluation.comparison import Comparator
from tasks.evaluation.evaluation import NO_CHAMPION, write_scores
from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.features import with_features
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.intervals import draw, gain_of, levels
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.slice_results import measure_slices
from tasks.records.data import DataReport
from tasks.records.evaluation import Champion, SliceResult
from tasks.records.golden import GoldenScores, GoldenSet, GoldenSets, GoldenSetScores
from tasks.records.training import Weights
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
        fetched: what `fetch_champion` gave; None where there is none.

    """

    candidate: Path
    champion: Champion | None
    fetched: Path | Comparator | None


@dataclass(frozen=True)
class _Scored:
    """One set with the answers of both models."""

    rows: pa.Table
    answers: pa.Table
    measured: Measured
    champion: Comparator
    units: Units


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
        fetched = fetch_champion(champion, work / "champion", store, tracking) if champion else None
        folder = store.get_folder(weights.artifact, work / "candidate")
        models = _Models(folder, champion, fetched)
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
    scored = _scored(rows, weights, data, models, task_type, settings)
    found = GoldenSetScores(
        kind=one.kind,
        name=one.name,
        artifact=write_scores(rows, scored.answers, scored.measured, [scored.champion], store),
        rows=rows.num_rows,
        duplicates_dropped=one.snapshot.duplicates_dropped,
        estimates=(),
        champion_version=models.champion.version if models.champion else None,
        champion_note=scored.champion.reason,
    )
    if one.kind == "behaviour":
        estimates, functionalities = measure_behaviour(
            one, rows, shape, data.labels, scored.answers, scored.measured,
            scored.champion.measured, scored.units, settings,
        )  # fmt: skip
        return replace(found, estimates=estimates, functionalities=functionalities)
    estimates, slices = _measure(one, scored, shape, models.candidate, settings)
    return replace(found, estimates=estimates, slices=slices)


def _scored(
    rows: pa.Table,
    weights: Weights,
    data: DataReport,
    models: _Models,
    task_type: str,
    settings: EvaluationSettings,
) -> _Scored:
    limits = TokenLimits.of(weights)
    plain = examiner_of(task_type, data.labels, limits, settings.seed)
    examiner = AskedExaminer(plain, settings)
    answers = examiner.predict(models.candidate, rows)
    comparator = Comparator("champion", reason=NO_CHAMPION)
    if models.champion and models.fetched:
        asked = ScoringInputs(task_type, rows, data.labels, limits, models.candidate, settings)
        comparator = run_champion(models.champion, asked, models.fetched)
    cluster = CLUSTER if settings.by_cluster else None
    units = units_of_table(rows, cluster=cluster, seed=settings.seed)
    return _Scored(rows, answers, examiner.measure(rows, answers), comparator, units)


def _measure(
    one: GoldenSet, scored: _Scored, shape: RowShape, model: Path, settings: EvaluationSettings
) -> tuple[tuple[Estimate, ...], tuple[SliceResult, ...]]:
    """Own metrics, gains over the champion, and slices by property, which are not searched for."""
    family, measured, units = one.family, scored.measured, scored.units
    named = [(family, measure) for measure in measured.measures]
    own = levels(named, units, settings.repeats, settings.seed)
    asked = settings.slices.model_copy(update={"search": False})
    by_slice, slices = measure_slices(
        with_features(scored.rows, shape, model), shape, measured, units,
        settings.model_copy(update={"slices": asked}),
    )  # fmt: skip
    of_set = [replace(estimate, name=f"{family}.{estimate.name}") for estimate in by_slice]
    found = (*own, *_gains(family, scored, settings), *of_set)
    told = tuple(
        replace(each, gap=replace(each.gap, name=f"{family}.{each.gap.name}")) for each in slices
    )
    return _held_to(found, scored.rows.num_rows, settings.min_golden_rows), told


def _gains(family: str, scored: _Scored, settings: EvaluationSettings) -> Sequence[Estimate]:
    """How much better than the champion the candidate is, in the leading metrics."""
    champion, own = scored.champion, {one.name: one for one in scored.measured.measures}
    theirs = {one.name: one for one in champion.measured.measures} if champion.measured else {}
    gains, silent = [], []
    for name in scored.measured.leading:
        reason = champion.reason or ("" if name in theirs else f"the champion has no {name}")
        if not reason and own[name].by_token and not champion.same_vocabulary:
            reason = f"{name} counts tokens, and the champion has another tokenizer"
        if reason:
            silent.append(undetermined(f"{family}.{name}_gain", scored.rows.num_rows, reason))
        else:
            gains.append(gain_of(family, own[name], theirs[name], scored.units))
    drawn = draw(gains, settings.repeats, settings.seed)
    return [*(one.estimate for one in drawn), *silent]


def _held_to(estimates: Iterable[Estimate], rows: int, least: int) -> tuple[Estimate, ...]:
    """The estimates, undetermined where the set is too small."""
    if rows >= least:
        return tuple(estimates)
    reason = f"the golden set has {rows} rows; evaluation.min_golden_rows asks for {least}"
    return tuple(undetermined(one.name, one.n, reason) for one in estimates)
