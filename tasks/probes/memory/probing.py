"""Ask a trained model what it remembers of its training rows: a stage's function."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from infra.errors import SettingsError
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.features import read_sources
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.memory.exposure import find_canaries, read_canaries
from tasks.probes.memory.membership import AskedRows, draw_rows, infer_membership
from tasks.probes.memory.overlap import measure_overlap
from tasks.probes.memory.row_loss_types import why_no_row_loss
from tasks.probes.memory.settings import MemorySettings
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.memory import Canaries, CanaryFindings, Memory, Overlap
from tasks.records.training import BaseModel, Weights
from tasks.task_types.examiner import examiner_of
from tasks.task_types.kept_models import keep_models
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of


def add_memory(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    snapshot: Snapshot,
    task_type: str,
    settings: MemorySettings,
    evaluation: EvaluationSettings,
    reference: BaseModel | None,
    canaries: Canaries | None,
    shadows: Sequence[Weights],
    *,
    store: ObjectStore,
) -> Scores:
    """The scores with memory.* of each attack, of canaries and of what is written word for word.

    Args:
        scores: of the candidate.
        weights: the candidate.
        data: the clean rows.
        snapshot: says which source each row came from, where there are several.
        task_type: what the model is for.
        settings: of the probe.
        evaluation: how intervals are made.
        reference: what the candidate was trained from; None where that says nothing of a row.
        canaries: that were learned beside the training rows; None without such.
        shadows: models that learned halves of the training rows.
        store: holds the artifacts.

    Raises:
        DataError: a split is empty.
        SettingsError: a row of the task type has no loss of its own.
        StoreError: an artifact is missing.
        BaseModelError, TrainingError: a model cannot be asked, or its losses are no numbers.

    """
    if why := why_no_row_loss(task_type):
        raise SettingsError(f"probes.memory is not for task_type {task_type}: {why}")
    learner = learner_of(task_type, data.labels, TokenLimits.of(weights))
    with tempfile.TemporaryDirectory(prefix="memory-") as name, quiet_transformers():
        work = Path(name)
        clean = store.get_file(data.clean, work / "clean.parquet")
        model = store.get_folder(weights.artifact, work / "model")
        sources = _sources(snapshot, store, work)
        sides, control = (
            draw_rows(clean, task_type, settings, evaluation, sources, split)
            for split in ("train", "validation")
        )
        asked = AskedRows(learner, sides, settings, evaluation)
        found = Memory(
            data_sha256=data.clean.sha256,
            seed=settings.seed,
            membership=infer_membership(asked, control, model, reference, shadows, store, work),
            canaries=_canaries(weights, model, task_type, canaries, asked, store, work),
            overlap=_overlap(weights, data, model, clean, asked),
            on=datetime.now(UTC).date().isoformat(),
        )
    return replace(scores, estimates=(*scores.estimates, *found.estimates), memory=found)


def _sources(snapshot: Snapshot, store: ObjectStore, work: Path) -> dict[str, str] | None:
    """Source of each row; None of a line with one."""
    if not snapshot.by_source:
        return None
    named = read_sources(snapshot, store, work)
    return dict(zip(named["row_id"].to_pylist(), named["file"].to_pylist(), strict=True))


def _canaries(
    weights: Weights,
    model: Path,
    task_type: str,
    planted: Canaries | None,
    asked: AskedRows,
    store: ObjectStore,
    work: Path,
) -> CanaryFindings | None:
    settings = asked.settings.canaries
    if planted is None or settings is None:
        return None
    texts = read_canaries(planted, store, work)
    with keep_models():
        return find_canaries(
            model, TokenLimits.of(weights), task_type, planted, texts, settings, asked.evaluation
        )


def _overlap(
    weights: Weights, data: DataReport, model: Path, clean: Path, asked: AskedRows
) -> Overlap | None:
    settings = asked.settings.overlap
    if settings is None:
        return None
    task_type, evaluation = asked.learner.name, asked.evaluation
    shape = shape_of(task_type)
    examiner = examiner_of(task_type, data.labels, TokenLimits.of(weights), evaluation.seed)
    learned = read_rows(clean, "train", shape)
    sides = (asked.sides.members, asked.sides.others)
    with keep_models():
        return measure_overlap(examiner, model, shape, learned, sides, settings, evaluation)
