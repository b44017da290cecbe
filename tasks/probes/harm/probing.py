"""Ask a trained model for texts, and look for what it should not write: a stage's function."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from infra.errors import SettingsError
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.settings import EvaluationSettings
from tasks.perturbations.draws import rank_of
from tasks.probes.harm.files import Prompt, read_prompts
from tasks.probes.harm.judging import judge_leaks, judge_lexicon, judge_refusals, judge_scored
from tasks.probes.harm.leaks import LeakSearch
from tasks.probes.harm.scoring import label_texts
from tasks.probes.harm.settings import HarmSettings
from tasks.probes.harm.writing import training_targets, write_texts
from tasks.probes.lexicon import Lexicon, read_lexicon
from tasks.records.data import DataReport, SourceFile
from tasks.records.evaluation import Scores
from tasks.records.harm import Harm, Scorer
from tasks.records.training import Weights
from tasks.task_types.examiner import examiner_of
from tasks.task_types.kept_models import keep_models
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER
from tasks.task_types.written_answers import why_no_refusals, why_nothing_written
from tasks.validation.personal_data.settings import PrivacySettings


class _Training(NamedTuple):
    """What training rows would have the model write, and the cluster of each."""

    targets: list[str]
    clusters: list[str | None]


class _Asked(NamedTuple):
    """What the files hold: nothing of those that the settings do not name."""

    prompts: list[Prompt]
    requests: list[Prompt]
    lexicon: Lexicon | None


def add_harm(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    files: Sequence[SourceFile],
    task_type: str,
    settings: HarmSettings,
    privacy: PrivacySettings,
    evaluation: EvaluationSettings,
    scorer: Scorer | None = None,
    *,
    store: ObjectStore,
) -> Scores:
    """The scores with harm.* of what the model writes.

    Args:
        scores: of the candidate.
        weights: the candidate.
        data: the clean rows, of which training rows are read.
        files: of prompts, terms and requests, as they were pinned.
        task_type: what the model is for.
        settings: of the probe.
        privacy: how personal data are found.
        evaluation: how intervals are made.
        scorer: that labels the texts, as it was pinned; None where the settings name none.
        store: holds the artifacts.

    Raises:
        DataError: a file changed, or there are no training rows.
        SettingsError: models of the task type write nothing, or answer no requests.
        StoreError: an artifact is missing.
        BaseModelError, TrainingError: the model cannot be asked.

    """
    check_task_type(task_type, settings)
    asked = _read(files, settings, store)
    search = LeakSearch(privacy)
    with tempfile.TemporaryDirectory(prefix="harm-") as name, quiet_transformers(), keep_models():
        work = Path(name)
        clean = store.get_file(data.clean, work / "clean.parquet")
        is_asked = asked.lexicon or scorer
        training = _training(clean, task_type, settings) if is_asked else _Training([], [])
        model = store.get_folder(weights.artifact, work / "model")
        examiner = examiner_of(task_type, data.labels, TokenLimits.of(weights), evaluation.seed)
        texts, answers = (
            write_texts(examiner, model, prompts) if prompts else []
            for prompts in (asked.prompts, asked.requests)
        )
    told = [one for one in texts if one.text.strip()]
    lexicon, scored = None, None
    if asked.lexicon:
        lexicon = judge_lexicon(told, training, asked.lexicon, search, settings, evaluation)
    if scorer:
        labels = label_texts(scorer, [*(one.text for one in told), *training.targets], store)
        labelled = (labels[: len(told)], labels[len(told) :])
        scored = judge_scored(
            told, training.clusters, scorer, labelled, search, settings, evaluation
        )
    found = Harm(
        files=tuple(files),
        seed=settings.seed,
        asked=len(texts),
        empty=len(texts) - len(told),
        lexicon=lexicon,
        scorer=scored,
        leaks=judge_leaks(told, search, settings, evaluation) if texts else None,
        refusals=judge_refusals(answers, search, settings, evaluation) if answers else None,
        on=datetime.now(UTC).date().isoformat(),
    )
    return replace(scores, estimates=(*scores.estimates, *found.estimates), harm=found)


def check_task_type(task_type: str, settings: HarmSettings) -> None:
    """See that models of a task type can be asked.

    Raises:
        SettingsError: they write nothing, or answer no requests.

    """
    if why := why_nothing_written(task_type):
        raise SettingsError(f"probes.harm is not for task_type {task_type}: {why}")
    if settings.refusals and (why := why_no_refusals(task_type)):
        raise SettingsError(f"probes.harm.refusals is not for task_type {task_type}: {why}")


def _read(files: Sequence[SourceFile], settings: HarmSettings, store: ObjectStore) -> _Asked:
    named = {name: file for (name, _), file in zip(settings.files, files, strict=True)}
    prompts, requests = (
        read_prompts(name, named[name], settings, store) if name in named else []
        for name in ("prompts", "refusals")
    )
    lexicon = (
        read_lexicon("probes.harm.lexicon", named["lexicon"], store) if "lexicon" in named else None
    )
    return _Asked(prompts, requests, lexicon)


def _training(clean: Path, task_type: str, settings: HarmSettings) -> _Training:
    """Of some training rows, by their hash."""
    shape = shape_of(task_type)
    rows = read_rows(clean, "train", shape)
    ids = rows["row_id"].to_pylist()
    order = sorted(range(len(ids)), key=lambda place: rank_of(settings.seed, "harm", ids[place]))
    rows = rows.take(pa.array(order[: settings.training_rows], pa.int64()))
    clusters = rows[CLUSTER].to_pylist() if CLUSTER in rows.column_names else [None] * len(rows)
    return _Training(training_targets(shape, rows), clusters)
