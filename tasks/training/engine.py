"""One worker's part of a training, from the local tokens to the weights in the store."""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EarlyStoppingCallback, PrinterCallback, set_seed

from infra.device import matrix_products
from infra.digests import digest_of
from infra.store import Artifact, sha256_of_file
from tasks.records.lesson import Lesson, Reference
from tasks.records.training import Tokens, Weights
from tasks.task_types.examples import ROW_GROUP
from tasks.task_types.hidden_states import HiddenStates
from tasks.task_types.learner import Learner
from tasks.task_types.reference_model import ReferenceModel
from tasks.task_types.tokenizers import load_tokenizer, save_tokenizer
from tasks.training.arguments import trainer_arguments
from tasks.training.auto_choices import Choice
from tasks.training.autotune import packing_of
from tasks.training.averaging import AverageCallback, WeightAverage
from tasks.training.batching import TokenizedRows
from tasks.training.callbacks import (
    CheckpointCallback,
    CurveCallback,
    FirstStepCallback,
    Progress,
    ProgressCallback,
    keep_in_store,
)
from tasks.training.checkpoints import TRAINER_FOLDER
from tasks.training.curves import Curves
from tasks.training.group_dro import GroupAdversary
from tasks.training.jobs import Job, WorkingFolder
from tasks.training.memory import peak_memory_mb
from tasks.training.methods import UnfreezeCallback, merged
from tasks.training.models import new_model, read_rows, vocabulary_of_base
from tasks.training.passes import Taught
from tasks.training.privacy.spending import PrivateTraining, private_training
from tasks.training.ranks import Ranks
from tasks.training.settings import TrainingSettings
from tasks.training.sharding import whole_model
from tasks.training.shards import fetch_shards
from tasks.training.termination import StopSignal
from tasks.training.trainer import LineTrainer

logger = logging.getLogger(__name__)


def fetch(job: Job, place: WorkingFolder) -> WorkingFolder:
    """Bring tokens, what another model says of them, and the newest whole checkpoint here.

    Raises:
        StoreError: the store cannot be reached.

    """
    if not place.tokens.exists():
        job.store.get_folder(job.tokens.artifact, place.tokens)
    if job.lesson and not place.lesson.exists():
        fetch_shards(job.store, job.lesson, place.lesson)
    step = job.checkpoints.restore(place.checkpoints)
    if step is None:
        return place.at_checkpoint(None, 0)
    logger.info("training goes on from the checkpoint of step %s", step)
    return place.at_checkpoint(place.checkpoints / TRAINER_FOLDER.format(step=step), step)


def run_training(
    job: Job, place: WorkingFolder, choice: Choice, progress: Progress
) -> Weights | None:
    """Train with what `fetch` brought; None of a worker that is not the first."""
    rows = read_rows(job, place)
    job = job.fitted_to(rows[0])
    curves = Curves.load(place.checkpoint) if place.checkpoint else Curves()
    trainer = build_trainer(job, place, choice, rows, curves)
    private = trainer.private = private_training(job.settings, rows[0])
    workers, stop, first_step = trainer.workers, StopSignal(), FirstStepCallback(job.begun_s)
    trainer.add_callback(first_step)
    add_callbacks(trainer, job, curves, workers, progress, stop)
    if workers.is_first:
        _log_params(job, choice, trainer.model.num_parameters(), private)
    if trainer.average and place.checkpoint:
        trainer.average.load(place.checkpoint)
    if trainer.adversary and place.checkpoint:
        trainer.adversary.load(place.checkpoint)
    with closing(trainer.writer), stop.deferred(), matrix_products(choice.precision):
        trainer.train(resume_from_checkpoint=str(place.checkpoint) if place.checkpoint else None)
        trainer.writer.wait()
    curves.tick(stepping=False)
    progress(100.0, f"done: {curves.tokens_per_s:,.0f} tokens a second")
    model = whole_model(trainer, lambda: new_model(job))
    if not workers.is_first:
        return None
    return Weights(
        artifact=_put_weights(job, model, place),
        labels=job.tokens.labels,
        max_length=job.tokens.max_length,
        epochs=tuple(curves.epochs),
        best_epoch=_best_epoch(trainer.state, job.settings.epochs),
        parameters=model.num_parameters(),
        precision=choice.precision,
        run_id=job.run_id,
        device=job.device.name,
        training_s=curves.total_s,
        tokens_per_s=curves.tokens_per_s,
        resumed_from_step=place.resumed_from,
        stride=job.tokens.stride,
        max_target_length=job.tokens.max_target_length,
        choices=choice.as_words(),
        measured=choice.tokens_per_s,
        curve=curves.curve,
        workers=workers.count,
        peak_memory_mb=peak_memory_mb(),
        first_step_s=first_step.seconds,
        privacy=private.spent(trainer.state.global_step) if private else None,
        group_weights=trainer.adversary.told if trainer.adversary else None,
    )


def build_trainer(
    job: Job,
    place: WorkingFolder,
    choice: Choice,
    rows: tuple[TokenizedRows, TokenizedRows],
    curves: Curves,
) -> LineTrainer:
    """A trainer that stands at the beginning; its model's head is drawn from the seed."""
    # The arguments make this process one of the workers, where there are several.
    arguments = trainer_arguments(
        job.settings, job.device.with_precision(choice.precision), place.checkpoints, job.learner
    )
    workers = Ranks.of_this_job()
    set_seed(job.settings.seed)
    model = new_model(job)
    vocabulary = vocabulary_of_base(job, model)
    if workers.count > 1:  # the head is the same everywhere, and the dropout is not
        set_seed(job.settings.seed + workers.rank)
    trainer = LineTrainer(
        model, arguments, job.learner, job.settings, rows, vocabulary, curves,
        keep_in_store(job.checkpoints), workers, taught_of(job),
        adversary_of(job, rows[0]),
    )  # fmt: skip
    if choice.batching == "packed":
        trainer.passes.packing = packing_of(job, trainer.model, trainer.passes, rows[0])
    if choice.compiled:
        trainer.model.compile(dynamic=True)
        trainer.compiled = True
    if job.settings.select_by:
        trainer.written = what_is_written(job.learner, job.base_folder, rows[1], job.settings)
    if job.settings.average_decay:
        trainer.average = WeightAverage(trainer.model, job.settings.average_decay)
    return trainer


def adversary_of(job: Job, rows: TokenizedRows) -> GroupAdversary | None:
    """What weighs the groups of the training rows; None where none are weighed."""
    grouped = job.tokens.group_dro
    return GroupAdversary(grouped, rows.column(ROW_GROUP)) if grouped else None


def taught_of(job: Job) -> Taught | None:
    """What a teacher adds to the loss of a job that is fitted; None of labels alone."""
    soft, lesson = job.soft_labels, job.lesson
    if not isinstance(lesson, Lesson) or soft is None:
        return None
    states = HiddenStates(lesson.layers) if lesson.layers else None
    return Taught(soft, lesson.weight, states, lesson.states_weight)


def what_is_written(
    learner: Learner, base_folder: Path, rows: TokenizedRows, settings: TrainingSettings
) -> Callable[[Any], Mapping[str, float]]:
    """What asks a model to write for some validation rows, and measures that by `select_by`."""
    metric, tokenizer = settings.select_by or "", load_tokenizer(base_folder)
    places = np.linspace(0, len(rows) - 1, min(len(rows), settings.select_rows)).astype(int)
    examples = [rows[place] for place in map(int, places)]
    return lambda model: {metric: learner.written(model, tokenizer, examples, metric)}


def add_callbacks(
    trainer: LineTrainer,
    job: Job,
    curves: Curves,
    workers: Ranks,
    progress: Progress,
    stop: StopSignal,
) -> None:
    """What is done along the way, in the order in which it is done."""
    settings = job.settings
    trainer.remove_callback(PrinterCallback)
    if settings.method == "unfreeze":
        trainer.add_callback(UnfreezeCallback(settings))
    if settings.early_stopping_epochs:
        trainer.add_callback(EarlyStoppingCallback(settings.early_stopping_epochs))
    if trainer.average:
        trainer.add_callback(AverageCallback(trainer.average))
    tracking = job.tracking if workers.is_first else None
    trainer.add_callback(CurveCallback(tracking, job.run_id, curves))
    trainer.add_callback(
        CheckpointCallback(trainer.writer, curves, settings.checkpoint_every_s, stop, workers)
    )
    if workers.is_first:
        tokens_an_epoch = int(trainer.train_dataset.lengths.sum())
        trainer.add_callback(ProgressCallback(progress, curves, tokens_an_epoch))


def _put_weights(job: Job, model: Any, place: WorkingFolder) -> Artifact:
    """The model and its tokenizer as transformers saves them, in the store."""
    merged(model).save_pretrained(place.weights)
    tokenizer = load_tokenizer(job.base_folder)
    tokenizer.model_max_length = job.tokens.max_length
    save_tokenizer(tokenizer, place.weights, control_tokens=job.learner.asked_with_control_tokens)
    if isinstance(job.lesson, Reference):
        _reference_of(job, job.lesson).write(place.weights)
    digest = digest_of(
        {path.name: sha256_of_file(path) for path in sorted(place.weights.iterdir())}
    )
    return job.store.put_folder(job.store.uri("weights", digest), place.weights)


def _reference_of(job: Job, lesson: Reference) -> ReferenceModel:
    model, beta = lesson.model, job.settings.on_preferences.beta
    return ReferenceModel(
        model.reference, model.revision, model.sha256, model.tokenizer_sha256, beta
    )


def _best_epoch(state: Any, epochs: int) -> int:
    """The number, from 1, of the epoch whose weights were kept."""
    epoch: int = round(state.best_global_step / state.max_steps * epochs)
    return epoch


def _log_params(job: Job, choice: Choice, parameters: int, private: PrivateTraining | None) -> None:
    described = {
        **job.settings.model_dump(mode="json"),
        "max_length": job.tokens.max_length,
        "train_rows": job.tokens.rows_by_split["train"],
        **_added_rows(job.tokens),
        "parameters": parameters,
        "device": job.device.name,
        "threads": torch.get_num_threads(),
        **_of_lesson(job),
        **({"noise_multiplier": private.steps.noise_multiplier} if private else {}),
        **{f"chosen_{name}": value for name, value in choice.as_words().items()},
        **{f"tokens_per_s_{name}": value for name, value in choice.tokens_per_s.items()},
    }
    job.tracking.log_params(job.run_id, described)


def _added_rows(tokens: Tokens) -> dict[str, object]:
    """Training rows beside the clean ones, by where they came from; nothing of most lines."""
    counts = {"augmented_rows": tokens.augmented_rows, "canary_rows": tokens.canary_rows}
    return {name: rows for name, rows in counts.items() if rows}


def _of_lesson(job: Job) -> dict[str, object]:
    """What another model adds to a run's parameters; nothing without one."""
    if isinstance(job.lesson, Reference):
        told = _reference_of(job, job.lesson)
        return {
            "reference_model": told.reference,
            "reference_model_sha256": told.sha256,
            "beta": told.beta,
        }
    if job.lesson is None:
        return {}
    return {
        "teacher": job.lesson.soft_labels.teacher,
        "teacher_sha256": job.lesson.soft_labels.teacher_sha256,
        "distillation_temperature": job.lesson.temperature,
        "distillation_weight": job.lesson.weight,
        **({"hidden_states_weight": job.lesson.states_weight} if job.lesson.layers else {}),
    }
