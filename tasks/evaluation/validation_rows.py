"""How a model does on the validation rows, for a sweep; no test row is read here.

What is measured is what an evaluation on test rows measures, by the same code. The numbers are of
rows that have picked the model's epoch, and the best of many trials is rather lucky than good: they
order trials, and are no evidence. The test rows judge the one that is taken.
"""

import hashlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.store import Artifact, ObjectStore
from tasks.evaluation.champion import ScoringInputs
from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.intervals import levels
from tasks.evaluation.recipe import recipe_metric
from tasks.evaluation.settings import EvaluationSettings
from tasks.evaluation.timing import estimate_of_ratios, timed_in_turns
from tasks.records.data import DataReport
from tasks.records.sweep import Timing, ValidationScores
from tasks.records.training import Weights
from tasks.resampling_units import units_of_table
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate, exact

SPLIT: Final = "validation"
LATENCY: Final = "sweep.latency"
_CLEAN: Final = "clean.parquet"


def evaluate_on_validation(
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: EvaluationSettings,
    *,
    store: ObjectStore,
) -> ValidationScores:
    """Measure a model on the validation rows.

    Args:
        weights: the model.
        data: the rows.
        task_type: what the model is for.
        settings: how, of which slices and comparisons are left out.
        store: holds the artifacts.

    Raises:
        DataError: there are no validation rows, or a label is outside the label set.
        SettingsError: the task type is not known, or a metric of another distribution fails.
        StoreError: an artifact is missing, or the store does not answer.
        TrainingError: the model's scores are no numbers.

    """
    with tempfile.TemporaryDirectory(prefix="validation-") as name:
        work = Path(name)
        clean = store.get_file(data.clean, work / _CLEAN)
        rows = read_rows(clean, SPLIT, shape_of(task_type), extra=True)
        model = store.get_folder(weights.artifact, work / "model")
        examiner = _examiner(weights, data, task_type, settings)
        measured = examiner.measure(rows, examiner.predict(model, rows))
    cluster = CLUSTER if settings.by_cluster else None
    units = units_of_table(rows, cluster=cluster, seed=settings.seed)
    named = [("quality", one) for one in measured.measures]
    return ValidationScores(
        artifact=_keep_scores(rows, pa.array(measured.row_scores), store),
        rows=rows.num_rows,
        estimates=tuple(levels(named, units, settings.repeats, settings.seed)),
        size_bytes=weights.artifact.size_bytes,
    )


def time_beside(
    weights: Weights,
    reference: Weights,
    data: DataReport,
    task_type: str,
    settings: EvaluationSettings,
    *,
    store: ObjectStore,
) -> Timing:
    """How long a model takes for the same validation rows as another one, in turns.

    Raises:
        DataError, StoreError: as `evaluate_on_validation`.
        BaseModelError: a tokenizer or configuration cannot be read.

    """
    with tempfile.TemporaryDirectory(prefix="latency-") as name:
        work = Path(name)
        clean = store.get_file(data.clean, work / _CLEAN)
        rows = read_rows(clean, SPLIT, shape_of(task_type), extra=True)
        model = store.get_folder(weights.artifact, work / "model")
        same = weights.artifact == reference.artifact
        other = model if same else store.get_folder(reference.artifact, work / "reference")
        asked = ScoringInputs(
            task_type, rows, data.labels, TokenLimits.of(weights), model, settings
        )
        turns = timed_in_turns(asked, _examiner(weights, data, task_type, settings), other)
    each_ms = sorted(1000 * one.own_s / one.rows for one in turns)
    ratio = estimate_of_ratios(LATENCY, [1 / one.ratio for one in turns])
    return Timing(each_ms[len(each_ms) // 2], exact(LATENCY, 1.0, len(turns)) if same else ratio)


def over_seeds(metric: str, scored: Sequence[ValidationScores]) -> Estimate:
    """A metric of a trial: of its one model, or the mean over the models of its seeds.

    The interval of a mean knows the rows and the seeds, as that of a recipe does.

    Raises:
        DataError: the validation rows do not tell it.

    """
    name = f"quality.{metric}"
    each = [next((one for one in of.estimates if one.name == name), None) for of in scored]
    found = each[0] if len(each) == 1 else recipe_metric(metric, each).estimate
    if found is None or found.value is None:
        why = found.reason if found else "the metric is not measured"
        raise DataError(
            f"a sweep is judged by {name} on {scored[0].rows} validation rows, which do not tell "
            f"it: {why}; give splits.validation a larger share, or name another sweep.metric"
        )
    return found


def _examiner(
    weights: Weights, data: DataReport, task_type: str, settings: EvaluationSettings
) -> AskedExaminer:
    limits = TokenLimits.of(weights)
    return AskedExaminer(examiner_of(task_type, data.labels, limits, settings.seed), settings)


def _keep_scores(rows: pa.Table, scores: pa.Array, store: ObjectStore) -> Artifact:
    """Row-wise scores as Parquet, addressed by the digest of its bytes."""
    buffer = io.BytesIO()
    table = pa.table({"row_id": rows["row_id"], "row_score": scores})
    pq.write_table(table, buffer, compression="zstd")
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    return store.put_bytes(store.uri("validation-scores", f"{digest}.parquet"), content)
