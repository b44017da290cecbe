"""Fine-tuning of a base model: from tokens to weights in the store."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import EarlyStoppingCallback, PrinterCallback, set_seed

from infra.base_models import Fingerprint, locate_pinned, quiet_transformers
from infra.device import Device, deterministic_algorithms, pick_device
from infra.errors import TrackingError, TrainingError
from infra.stages import digest_of, stage_key
from infra.store import Artifact, ObjectStore, sha256_of_file
from infra.tracking import Tracking
from tasks.records import BaseModel, Tokens, Weights
from tasks.task_types import TaskType, task_type
from tasks.task_types.tokenizers import load_tokenizer
from tasks.training.averaging import AverageCallback, WeightAverage
from tasks.training.batching import TokenizedRows
from tasks.training.callbacks import (
    CheckpointCallback,
    CurveCallback,
    Progress,
    ProgressCallback,
    keep_in_store,
)
from tasks.training.checkpoints import TRAINER_FOLDER, Checkpoints
from tasks.training.curves import Curves
from tasks.training.disk import explain_full_disk
from tasks.training.methods import UnfreezeCallback, merged, prepare
from tasks.training.settings import TrainingSettings
from tasks.training.trainer import LineTrainer, trainer_arguments

logger = logging.getLogger(__name__)

LIBRARIES = ("accelerate", "peft", "torch", "transformers")
# Settings that leave the weights as they are: changing them must not lose a checkpoint.
BOOKKEEPING = frozenset({"checkpoint_every_s", "keep_checkpoints"})


@dataclass(frozen=True)
class Job:
    """All that one training reads, and where it writes.

    Attributes:
        key: digest of everything that shapes the weights.
        base_folder: local folder of the base model.
        run_id: MLflow run of the curves.

    """

    store: ObjectStore
    tracking: Tracking
    tokens: Tokens
    kind: TaskType
    settings: TrainingSettings
    device: Device
    key: str
    base_folder: Path
    run_id: str

    @property
    def checkpoints(self) -> Checkpoints:
        """Where this training's checkpoints are."""
        prefix = self.store.uri("checkpoints", self.key)
        return Checkpoints(self.store, prefix, self.settings.keep_checkpoints)


def train_model(
    store: ObjectStore,
    tracking: Tracking,
    line: str,
    tokens: Tokens,
    base: BaseModel,
    kind_name: str,
    settings: TrainingSettings,
    progress: Progress = lambda _percent, _words: None,
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
        kind_name: the task type's name.
        settings: how to train.
        progress: is told the percentage of optimizer steps done, and what goes on in words.

    Raises:
        SettingsError: the task type is unknown.
        BaseModelError: the base model changed, is broken or does not fit.
        TrainingError: a split has no rows, the loss is no number, or the local disk is full.
        StoreError: the store cannot be reached.
        TrackingError: MLflow cannot be reached.

    """
    job = _prepare(store, tracking, line, tokens, base, kind_name, settings)
    with (
        _failure_marked(tracking, job.run_id),
        TemporaryDirectory(prefix="assayline-training-") as scratch,
        explain_full_disk(Path(scratch)),
        deterministic_algorithms(),
        quiet_transformers(),
    ):
        weights = _train_in(Path(scratch), job, progress)
    tracking.finish_run(job.run_id)
    job.checkpoints.delete()
    return weights


def training_key(
    tokens: Tokens, base: BaseModel, kind_name: str, settings: TrainingSettings
) -> str:
    """Digest of everything that shapes the weights, source files and libraries included."""
    here = Path(__file__).parent
    inputs = {
        "tokens": tokens,
        "base_model": [base.sha256, base.tokenizer_sha256],
        "task_type": kind_name,
        "settings": settings.model_dump(mode="json", exclude=set(BOOKKEEPING)),
    }
    return stage_key("training", inputs, (here, here.parent / "task_types"), LIBRARIES)


def _prepare(
    store: ObjectStore,
    tracking: Tracking,
    line: str,
    tokens: Tokens,
    base: BaseModel,
    kind_name: str,
    settings: TrainingSettings,
) -> Job:
    """Find the base model and open the MLflow run; a run that was cut off is opened again."""
    kind = task_type(kind_name)
    key = training_key(tokens, base, kind_name, settings)
    pinned = Fingerprint(base.sha256, base.tokenizer_sha256)
    base_folder = locate_pinned(base.reference, base.revision, pinned)
    run_id = tracking.open_run(line, key, _tags(tokens, base, kind_name))
    return Job(store, tracking, tokens, kind, settings, pick_device(), key, base_folder, run_id)


def _train_in(scratch: Path, job: Job, progress: Progress) -> Weights:
    """Train with `scratch` for all local files."""
    rows = _fetch_rows(job, scratch / "tokens")
    checkpoint, resumed_from = _find_checkpoint(job, scratch / "checkpoints")
    curves = Curves.load(checkpoint) if checkpoint else Curves()
    trainer = _build_trainer(job, rows, curves, scratch / "checkpoints")
    trainer.add_callback(CurveCallback(job.tracking, job.run_id, curves))
    trainer.add_callback(
        CheckpointCallback(trainer.writer, curves, job.settings.checkpoint_every_s)
    )
    trainer.add_callback(ProgressCallback(progress, curves))
    _log_params(job, trainer.model.num_parameters())
    if trainer.average and checkpoint:
        trainer.average.load(checkpoint)
    with closing(trainer.writer):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        trainer.writer.wait()
    curves.tick(stepping=False)
    progress(100.0, f"done: {curves.tokens_per_s:,.0f} tokens a second")
    return Weights(
        artifact=_put_weights(job, trainer.model, scratch / "weights"),
        labels=job.tokens.labels,
        max_length=job.tokens.max_length,
        epochs=tuple(curves.epochs),
        best_epoch=_best_epoch(trainer.state, job.settings.epochs),
        parameters=trainer.model.num_parameters(),
        precision=job.device.precision,
        run_id=job.run_id,
        device=job.device.name,
        training_s=curves.total_s,
        tokens_per_s=curves.tokens_per_s,
        resumed_from_step=resumed_from,
    )


def _fetch_rows(job: Job, folder: Path) -> tuple[TokenizedRows, TokenizedRows]:
    """The training and the validation split."""
    job.store.get_folder(job.tokens.artifact, folder)
    train, validation = (
        TokenizedRows(folder / f"{split}.arrow") for split in ("train", "validation")
    )
    for split, rows in (("train", train), ("validation", validation)):
        if not len(rows):
            raise TrainingError(
                f"the {split} split has no rows; raise splits.{split}, or bring more data"
            )
    return train, validation


def _find_checkpoint(job: Job, folder: Path) -> tuple[Path | None, int]:
    """The folder and step of the newest whole checkpoint; None and 0 where there is none."""
    step = job.checkpoints.restore(folder)
    if step is None:
        return None, 0
    logger.info("training goes on from the checkpoint of step %s", step)
    return folder / TRAINER_FOLDER.format(step=step), step


def _build_trainer(
    job: Job, rows: tuple[TokenizedRows, TokenizedRows], curves: Curves, folder: Path
) -> LineTrainer:
    set_seed(job.settings.seed)  # the new head is drawn from it
    model = job.kind.load_model(job.base_folder, job.tokens.labels)
    pad_id = load_tokenizer(job.base_folder).pad_token_id
    model.config.pad_token_id = pad_id
    model = prepare(model, job.settings)
    arguments = trainer_arguments(job.settings, job.device, folder, job.kind.selection_metric)
    trainer = LineTrainer(
        model, arguments, job.kind, job.settings, rows, pad_id, curves,
        keep_in_store(job.checkpoints),
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    if job.settings.method == "unfreeze":
        trainer.add_callback(UnfreezeCallback(job.settings))
    if job.settings.early_stopping_epochs:
        trainer.add_callback(EarlyStoppingCallback(job.settings.early_stopping_epochs))
    if job.settings.average_decay:
        trainer.average = WeightAverage(model, job.settings.average_decay)
        trainer.add_callback(AverageCallback(trainer.average))
    return trainer


def _put_weights(job: Job, model: Any, folder: Path) -> Artifact:
    """The model and its tokenizer as transformers saves them, in the store."""
    merged(model).save_pretrained(folder)
    tokenizer = load_tokenizer(job.base_folder)
    tokenizer.model_max_length = job.tokens.max_length
    tokenizer.save_pretrained(folder)
    digest = digest_of({path.name: sha256_of_file(path) for path in sorted(folder.iterdir())})
    return job.store.put_folder(job.store.uri("weights", digest), folder)


def _best_epoch(state: Any, epochs: int) -> int:
    """The number, from 1, of the epoch whose weights were kept."""
    epoch: int = round(state.best_global_step / state.max_steps * epochs)
    return epoch


def _tags(tokens: Tokens, base: BaseModel, kind_name: str) -> dict[str, str]:
    return {
        "assayline.task_type": kind_name,
        "assayline.tokens_sha256": tokens.artifact.sha256,
        "assayline.base_model": base.reference,
        "assayline.base_model_sha256": base.sha256,
    }


def _log_params(job: Job, parameters: int) -> None:
    described = {
        **job.settings.model_dump(mode="json"),
        "max_length": job.tokens.max_length,
        "train_rows": job.tokens.rows_by_split["train"],
        "parameters": parameters,
        "device": job.device.name,
        "precision": job.device.precision,
        "threads": job.device.threads,
    }
    job.tracking.log_params(job.run_id, described)


@contextmanager
def _failure_marked(tracking: Tracking, run_id: str) -> Iterator[None]:
    """Mark the MLflow run as failed if training fails."""
    try:
        yield
    except BaseException:
        with suppress(TrackingError):
            tracking.finish_run(run_id, "FAILED")
        raise
