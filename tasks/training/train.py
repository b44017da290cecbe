"""Fine-tuning of a base model: from tokens to weights in the store."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.base_models import Fingerprint, locate_pinned
from infra.code_digest import code_of
from infra.device import check_device, deterministic_algorithms, pick_device
from infra.digests import as_json, digest_of
from infra.errors import TrackingError
from infra.store import ObjectStore
from infra.tracking import Tracking
from infra.transformers_logs import quiet_transformers
from tasks.records.lesson import Lesson, Reference
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.training.autotune import choose
from tasks.training.callbacks import Progress, only_warn
from tasks.training.disk import explain_full_disk
from tasks.training.engine import fetch, run_training
from tasks.training.jobs import Job, WorkingFolder, learner_for
from tasks.training.launch_ranks import train_in_workers
from tasks.training.privacy.spending import check_accountant
from tasks.training.settings import TrainingSettings, check_method

# Settings that leave the weights as they are: changing them must not lose a checkpoint.
BOOKKEEPING = frozenset({"checkpoint_every_s", "keep_checkpoints"})


def train_model(
    store: ObjectStore,
    tracking: Tracking,
    line: str,
    tokens: Tokens,
    base: BaseModel,
    task_type: str,
    settings: TrainingSettings,
    progress: Progress = lambda _percent, _words: None,
    lesson: Lesson | Reference | None = None,
) -> Weights:
    """Fine-tune a base model, going on from the newest checkpoint where a run was cut off.

    The same tokens, base model and settings give the same weights, bit for bit, on the same
    machine with the same number of threads, whether or not the run was cut off in between.

    Args:
        store: of the tokens, checkpoints and weights.
        tracking: of the curves.
        line: the model line.
        tokens: what to train on.
        base: what to start from.
        task_type: the task type's name.
        settings: how to train.
        progress: is told the percentage of optimizer steps done, and what goes on in words.
        lesson: what it learns from beside the labels, or is held against; None by labels alone.

    Raises:
        SettingsError: the task type is unknown, or does not know a setting; or the device.
        BaseModelError: the base model changed, is broken or does not fit.
        TrainingError: a split has no rows, the loss is no number, or the local disk is full.
        StoreError: the store cannot be reached.
        TrackingError: MLflow cannot be reached at the beginning.

    """
    job = prepare_job(store, tracking, tokens, base, task_type, settings, lesson)
    # A run that was cut off is opened again.
    run_id = tracking.open_run(line, job.key, _tags(tokens, base, task_type))
    job = replace(job, run_id=run_id)
    with (
        _failure_marked(tracking, job.run_id),
        TemporaryDirectory(prefix="assayline-training-") as scratch,
        explain_full_disk(Path(scratch)),
        deterministic_algorithms(),
        quiet_transformers(),
    ):
        weights = _train_in(Path(scratch), job, progress)
    with only_warn(f"MLflow shows run {run_id} as running until the version is registered"):
        tracking.finish_run(run_id)
    with only_warn(f"the checkpoints in {job.checkpoints.prefix} stay, and may be deleted"):
        job.checkpoints.delete()
    return weights


def training_key(
    tokens: Tokens,
    base: BaseModel,
    task_type: str,
    settings: TrainingSettings,
    lesson: Lesson | Reference | None = None,
) -> str:
    """Digest of everything that shapes the weights, source files and libraries included."""
    inputs = {
        "tokens": tokens,
        "base_model": [base.sha256, base.tokenizer_sha256],
        "task_type": task_type,
        "settings": settings.model_dump(mode="json", exclude=set(BOOKKEEPING)),
        **({"lesson": lesson} if lesson else {}),
    }
    code = code_of(__name__, train_model.__name__, as_json(inputs))
    return digest_of({**inputs, "code": code.digest})


def prepare_job(
    store: ObjectStore,
    tracking: Tracking,
    tokens: Tokens,
    base: BaseModel,
    task_type: str,
    settings: TrainingSettings,
    lesson: Lesson | Reference | None = None,
) -> Job:
    """Find the base model, and refuse what cannot be trained; no MLflow run is opened yet."""
    learner, device = learner_for(task_type, tokens, settings), pick_device()
    check_method(task_type, type(learner), settings)
    check_accountant(settings)
    check_device(device, settings.precision, settings.workers)
    key = training_key(tokens, base, task_type, settings, lesson)
    pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
    base_folder = locate_pinned(base.reference, base.revision, pinned)
    return Job(
        store, tracking, tokens, base, learner, settings, device, key, base_folder, run_id="",
        lesson=lesson,
    )  # fmt: skip


def _train_in(scratch: Path, job: Job, progress: Progress) -> Weights:
    """Train with `scratch` for all local files."""
    if job.settings.workers > 1:
        return train_in_workers(job, WorkingFolder(scratch), progress)
    place = fetch(job, WorkingFolder(scratch))
    weights = run_training(job, place, choose(job, place), progress)
    assert weights is not None  # noqa: S101  # this worker is the first
    return weights


def _tags(tokens: Tokens, base: BaseModel, task_type: str) -> dict[str, str]:
    return {
        "assayline.task_type": task_type,
        "assayline.tokens_sha256": tokens.artifact.sha256,
        "assayline.base_model": base.reference,
        "assayline.base_model_sha256": base.sha256,
    }


@contextmanager
def _failure_marked(tracking: Tracking, run_id: str) -> Iterator[None]:
    """Mark the MLflow run as failed if training fails."""
    try:
        yield
    except BaseException:
        with suppress(TrackingError):
            tracking.finish_run(run_id, "FAILED")
        raise
