"""From trained weights to what is known of them: the stage's plain function."""

import hashlib
import io
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import SettingsError
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.agreement_and_cost import agreement, size_share, speed_up
from tasks.evaluation.champion import ScoringInputs
from tasks.evaluation.compared_versions import (
    CHAMPION,
    TOLD_BESIDE,
    UNCOMPRESSED,
    FetchedVersion,
    ask_version,
    before_compression,
    fetch_versions,
    is_champion,
    on_all_rows,
    under_both_names,
    without_mitigation,
)
from tasks.evaluation.comparison import Comparator, compare
from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.features import read_sources, with_features
from tasks.evaluation.fresh import Evaluated, FreshRows, measure_fresh
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.intervals import levels
from tasks.evaluation.rarity import asked_of_rarity, with_rarity
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.slice_calibration import estimates_of, measure_slice_calibration
from tasks.evaluation.slice_results import measure_slices, slice_gains
from tasks.records.data import DataReport, Snapshot
from tasks.records.distillation import Teacher
from tasks.records.evaluation import Champion, ComparedVersion, Scores
from tasks.records.training import Weights
from tasks.resampling import Floats
from tasks.resampling_units import units_of_table
from tasks.task_types.examiner import Examiner, examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.measures import Measured
from tasks.task_types.own_metrics import add_own_metrics
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate, exact

NO_CHAMPION = "no version in production yet"
CANDIDATE = "candidate"  # folder of its model

logger = logging.getLogger(__name__)


def evaluate_weights(
    weights: Weights,
    data: DataReport,
    champion: Champion | None,
    task_type: str,
    settings: EvaluationSettings,
    *,
    store: ObjectStore,
    tracking: Tracking,
    snapshot: Snapshot | None = None,
    anchor: Champion | None = None,
    fresh: FreshRows | None = None,
    teacher: Teacher | None = None,
    uncompressed: Weights | None = None,
    unmitigated: Weights | None = None,
) -> Scores:
    """Measure candidate, baseline, champion, anchor and teacher on the test rows.

    A candidate that was compressed is measured beside what it was before, too, and a mitigated one
    beside a model of its recipe without mitigation.

    Args:
        weights: the candidate.
        data: the rows.
        champion: the version to compare with; None where there is none.
        task_type: what the model is for.
        settings: how.
        store: holds the artifacts.
        tracking: holds the champion.
        snapshot: says which file each row came from, for slices by source.
        anchor: the best version that was ever in production; None where there is none.
        fresh: the test rows that no earlier look has read; None where that is not told.
        teacher: whom the candidate learned from; None where that are labels alone.
        uncompressed: the candidate before it was compressed; None where it was not.
        unmitigated: a model of the same recipe without mitigation; None where none was trained.

    Raises:
        DataError: the test or training split is empty, or a label is outside the label set.
        SettingsError: the task type is not known, or a metric of another distribution fails.
        IntegrityError: the champion's or the anchor's files are not those that were proven.
        StoreError, TrackingError: a server does not answer, or an artifact of the candidate is
            missing.
        TrainingError: the candidate's scores are no numbers.

    """
    shape = shape_of(task_type)
    plain = examiner_of(task_type, data.labels, TokenLimits.of(weights), settings.seed)
    examiner = AskedExaminer(plain, settings)
    with tempfile.TemporaryDirectory(prefix="evaluate-") as name:
        work = Path(name)
        # Before the hours of scoring, which would be lost if MLflow were away after them.
        before = before_compression(uncompressed, data)
        without = without_mitigation(unmitigated, data)
        fetched = fetch_versions(champion, anchor, work, store, tracking, teacher, before, without)
        asked = _ask(weights, data, fetched, examiner, work, store)
        sources = read_sources(snapshot, store, work) if snapshot else None
        features = with_features(asked.test, shape, work / CANDIDATE, sources)
        if rarity := asked_of_rarity(settings.slices):
            train = read_rows(work / "clean.parquet", "train", shape)
            features = with_rarity(features, train, shape, rarity)
        beside, timed = _beside(asked, fetched, weights, data, examiner, work)
    test, answers, measured, comparators, versions = asked
    units = units_of_table(
        test, cluster=CLUSTER if settings.by_cluster else None, seed=settings.seed
    )
    gains, comparisons = compare(measured, comparators, units, settings)
    if is_champion(anchor, champion):
        gains, comparisons, versions = under_both_names(gains, comparisons, versions)
    by_slice, slices = measure_slices(features, shape, measured, units, settings)
    by_slice += slice_gains(features, measured, _of(UNCOMPRESSED, comparators), units, settings)
    calibrated = measure_slice_calibration(features, answers, units, settings)
    named = [("quality", one) for one in measured.measures]
    estimates = [*levels(named, units, settings.repeats, settings.seed), *gains]
    evaluated = Evaluated(test, answers, measured, comparators[1] if champion else None, estimates)
    estimates += measure_fresh(fresh, evaluated, examiner, settings, store)
    return Scores(
        artifact=write_scores(test, answers, measured, comparators, store),
        labels=data.labels,
        rows=test.num_rows,
        estimates=(
            *estimates,
            *beside,
            *by_slice,
            *estimates_of(calibrated),
            *privacy_of(weights),
        ),
        confusion=measured.confusion,
        calibration=measured.calibration,
        champion_version=champion.version if champion else None,
        champion_note=_note(versions) if champion else NO_CHAMPION,
        comparisons=comparisons,
        slices=slices,
        versions=tuple(versions),
        anchor_version=anchor.version if anchor else None,
        calibration_by_slice=calibrated,
        timed=tuple(timed),
    )


def privacy_of(weights: Weights) -> tuple[Estimate, ...]:
    """What the weights may tell of a training row, as numbers that gates are on."""
    if weights.privacy is None:
        return ()
    spent = weights.privacy
    return (
        exact("privacy.epsilon", spent.epsilon, spent.rows),
        exact("privacy.delta", spent.delta, spent.rows),
    )


class _Asked(NamedTuple):
    """The test rows, the candidate's answers to them, and what others say of them."""

    test: pa.Table
    answers: pa.Table
    measured: Measured
    comparators: list[Comparator]
    versions: list[ComparedVersion]


def _ask(
    weights: Weights,
    data: DataReport,
    fetched: Sequence[FetchedVersion],
    examiner: AskedExaminer,
    work: Path,
    store: ObjectStore,
) -> _Asked:
    """Ask the candidate, the baseline and the fetched versions about the test rows."""
    shape, settings, plain = shape_of(examiner.name), examiner.settings, examiner.examiner
    clean = store.get_file(data.clean, work / "clean.parquet")
    test = read_rows(clean, "test", shape, extra=True)
    model = store.get_folder(weights.artifact, work / CANDIDATE)
    answers = examiner.predict(model, test)
    measured = examiner.measure(test, answers)
    baseline = _baseline(plain, read_rows(clean, "train", shape), test)
    baseline = _with_own_metrics(baseline, settings.own_metrics, plain, test)
    limits = TokenLimits.of(weights)
    inputs = ScoringInputs(examiner.name, test, data.labels, limits, model, settings)
    told = [
        ask_version(each, inputs, examiner, answers, data, clean, settings, store)
        for each in fetched
    ]
    comparators = [baseline, *(one for one, _ in told)]
    return _Asked(test, answers, measured, comparators, [record for _, record in told])


def _of(name: str, comparators: Sequence[Comparator]) -> Comparator | None:
    return next((one for one in comparators if one.name == name), None)


def _beside(
    asked: _Asked,
    fetched: Sequence[FetchedVersion],
    weights: Weights,
    data: DataReport,
    examiner: AskedExaminer,
    work: Path,
) -> tuple[list[Estimate], list[Estimate]]:
    """What is told of the candidate and its teacher, or itself before; and what the clock says."""
    inputs = ScoringInputs(
        examiner.name, asked.test, data.labels, TokenLimits.of(weights), work / CANDIDATE,
        examiner.settings,
    )  # fmt: skip
    told, timed = list[Estimate](), list[Estimate]()
    for one in fetched:
        other = _of(one.comparator, asked.comparators)
        if one.comparator in TOLD_BESIDE and isinstance(one.model, Path) and other:
            told.append(agreement(other, asked.test, asked.answers, examiner.settings))
            told.append(size_share(inputs.candidate, one.model, one.comparator))
            timed.append(speed_up(inputs, examiner, one.model, one.comparator))
    return told, timed


def _note(versions: Sequence[ComparedVersion]) -> str:
    return next(one.reason for one in versions if one.comparator == CHAMPION)


def _baseline(examiner: Examiner, train: pa.Table, test: pa.Table) -> Comparator:
    """The trivial model of the task type, measured; or why there is none."""
    answers = examiner.baseline(train, test)
    if isinstance(answers, str):
        return Comparator("baseline", reason=answers)
    return Comparator("baseline", answers, examiner.measure(test, answers), same_vocabulary=False)


def _with_own_metrics(
    comparator: Comparator, names: Sequence[str], examiner: Examiner, test: pa.Table
) -> Comparator:
    """A comparator with metrics of other distributions; without, where they cannot read it."""
    if not (comparator.measured and isinstance(comparator.answers, pa.Table)):
        return comparator
    found = comparator.measured
    for name in names:
        try:
            found = add_own_metrics(found, [name], examiner, test, comparator.answers)
        except SettingsError as error:
            # A trivial model has fewer columns: the gain is undetermined, the metric itself is not.
            logger.warning("the %s has no %s: %s", comparator.name, name, error)
    return replace(comparator, measured=found)


def write_scores(
    test: pa.Table,
    answers: pa.Table,
    measured: Measured,
    comparators: Sequence[Comparator],
    store: ObjectStore,
) -> Artifact:
    """Row-wise scores as Parquet, addressed by the digest of its bytes."""
    columns = {"row_id": test["row_id"], "row_score": pa.array(measured.row_scores)}
    columns |= {name: answers[name] for name in answers.column_names}
    for comparator in comparators:
        columns |= _comparator_columns(comparator, answers)
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    return store.put_bytes(store.uri("scores", f"{digest}.parquet"), content)


def _comparator_columns(comparator: Comparator, answers: pa.Table) -> dict[str, pa.Array]:
    """A comparator's row scores and, where the candidate's answers have such, its predictions."""
    scores: Floats | None = comparator.measured.row_scores if comparator.measured else None
    nothing = pa.nulls(answers.num_rows, pa.float64())
    told = nothing if scores is None else on_all_rows(pa.array(scores), comparator)
    columns = {f"{comparator.name}_row_score": told}
    if "predicted" in answers.column_names:
        kind = answers.schema.field("predicted").type
        said = comparator.answers["predicted"] if isinstance(comparator.answers, pa.Table) else None
        predicted = pa.nulls(answers.num_rows, kind)
        if said is not None:
            predicted = on_all_rows(said.cast(kind), comparator)
        columns[f"{comparator.name}_predicted"] = predicted
    return columns
