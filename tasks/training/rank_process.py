"""One worker of several, as a process that torchrun starts: ``FOLDER`` is its one argument."""

import logging
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from infra.device import deterministic_algorithms
from infra.errors import AssaylineError
from infra.store import ObjectStore, open_store
from infra.thread_waits import short_waits_under_load
from infra.torchrun import end_with_parent
from infra.tracking import Tracking, open_tracking
from infra.transformers_logs import quiet_transformers
from tasks.training.autotune import choose
from tasks.training.callbacks import Progress
from tasks.training.disk import explain_full_disk
from tasks.training.engine import run_training
from tasks.training.events import EventWriter, save_error, save_weights
from tasks.training.jobs import JOB_FILE, PLACE_FILE, Job, WorkingFolder
from tasks.training.ranks import Ranks
from tasks.training.termination import TerminatedError


def train_as_rank(folder: Path, store: ObjectStore, tracking: Tracking) -> None:
    """Train as the folder's job says, and leave the result there."""
    end_with_parent()
    job = Job.load(folder / JOB_FILE, store, tracking)
    place = WorkingFolder.load(folder / PLACE_FILE)
    torch.set_num_threads(max(1, job.device.threads // job.settings.workers))
    dist.init_process_group("nccl" if job.device.name == "cuda" else "gloo")
    if job.device.name == "cuda":
        torch.cuda.set_device(dist.get_rank())
    workers = Ranks.of_this_job()
    try:
        _train(job, place, workers, folder)
    except TerminatedError:
        sys.exit(1)  # whoever told it knows why
    except AssaylineError as error:
        save_error(folder, error)
        sys.exit(1)
    dist.destroy_process_group()


def _train(job: Job, place: WorkingFolder, workers: Ranks, folder: Path) -> None:
    progress = _speak(folder) if workers.is_first else _silent
    with (
        short_waits_under_load(),
        explain_full_disk(folder),
        deterministic_algorithms(),
        quiet_transformers(),
    ):
        choice = workers.from_first(choose(job, place) if workers.is_first else None)
        assert choice is not None  # noqa: S101  # the first worker has chosen
        weights = run_training(job, place, choice, progress)
    if weights:
        save_weights(folder, weights)


def _speak(folder: Path) -> Progress:
    """Have the log lines of this project written, and progress too."""
    writer = EventWriter(folder)
    logging.getLogger("tasks").addHandler(writer)
    logging.getLogger("tasks").setLevel(logging.INFO)
    return writer.progress


def _silent(_percent: float, _words: str) -> None:
    """What the other workers say of their progress."""


if __name__ == "__main__":
    train_as_rank(Path(sys.argv[1]), open_store(), open_tracking())
