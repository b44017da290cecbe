"""What a training would come to, from a look at its rows and a few of its steps."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.store import ObjectStore
from infra.tracking import Tracking
from infra.transformers_logs import quiet_transformers
from tasks.records.training import BaseModel, Tokens, TrainingPlan
from tasks.task_types.reference_answers import REFERENCE, REFERENCE_ANSWERS, reads_reference
from tasks.training.auto_choices import Choice
from tasks.training.autotune import Probe, best_of, variants_for
from tasks.training.jobs import Job, WorkingFolder
from tasks.training.memory import kept_for_backward
from tasks.training.methods import learning_parameters
from tasks.training.models import read_rows
from tasks.training.settings import TrainingSettings
from tasks.training.train import prepare_job

# Bytes of a float32 parameter; where it learns, its gradient and AdamW's two means come on top.
WEIGHT_BYTES, LEARNING_BYTES = 4, 12
# A validation goes forward alone, which is about a third of forward and backward.
FORWARD_SHARE = 1 / 3


def plan_training(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    base: BaseModel,
    task_type: str,
    settings: TrainingSettings,
) -> TrainingPlan:
    """Estimate a training in seconds, without beginning it; arguments as `train_model` has them.

    Raises:
        AssaylineError: as `train_model` does before its first step.

    """
    job = prepare_job(store, tracking, tokens, base, task_type, settings)
    with TemporaryDirectory(prefix="assayline-plan-") as scratch, quiet_transformers():
        return _plan_in(WorkingFolder(Path(scratch)), job)


def _plan_in(place: WorkingFolder, job: Job) -> TrainingPlan:
    job.store.get_folder(job.tokens.artifact, place.tokens)
    train, validation = read_rows(job, place)
    if reads_reference(job.learner.name):  # the reference is not asked for an estimate of time
        train.stand_in(REFERENCE, REFERENCE_ANSWERS.load(job.learner.name).width)
    probe = Probe.of(job, train)
    candidates = variants_for(job)
    rates = probe.rates(candidates)
    taken = best_of(candidates, rates)
    parameters = sum(parameter.numel() for parameter in probe.model.parameters())
    learning = learning_parameters(probe.model, job.settings)
    with kept_for_backward() as so_far:
        probe.forward(taken, probe.sample_of(train, job.settings.tokens_per_pass)[0])
        activations_mb = so_far()
    held_mb = (WEIGHT_BYTES * parameters + LEARNING_BYTES * learning) / 1e6
    shares = job.settings.workers if job.settings.sharding == "fsdp" else 1
    epochs, batch_size = job.settings.epochs, job.settings.batch_size
    work = epochs * (int(train.lengths.sum()) + FORWARD_SHARE * int(validation.lengths.sum()))
    return TrainingPlan(
        parameters=parameters,
        learning=learning,
        learning_share=learning / parameters,
        rows=len(train),
        steps=epochs * math.ceil(len(train) / batch_size),
        tokens=epochs * int(train.lengths.sum()),
        memory_mb=held_mb / shares + activations_mb,
        training_s=work / max(rates[taken.name], 1e-9) / job.settings.workers,
        device=job.device.name,
        workers=job.settings.workers,
        choices=Choice.of(taken).as_words(),
        measured=rates,
    )
