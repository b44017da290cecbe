"""Training in several processes on this machine, which a lost worker sets back to a checkpoint."""

import logging
import re
from pathlib import Path

from infra.errors import TrainingError
from infra.torchrun import TorchrunGroup, run_workers
from tasks.records.training import Weights
from tasks.training.callbacks import Progress
from tasks.training.engine import fetch
from tasks.training.events import EventReader, has_error, load_weights, raise_error
from tasks.training.jobs import JOB_FILE, PLACE_FILE, Job, WorkingFolder
from tasks.training.termination import StoppedError, StopSignal

logger = logging.getLogger(__name__)

# How often workers are started anew without a new checkpoint in between.
MAX_RESTARTS = 3
LOOK_EVERY_S = 0.2
LOG_FILE = "workers.log"
LOG_CHARS_SHOWN = 300
# The last line of a traceback, as torch's workers print it.
WORKER_ERROR = re.compile(r"\[rank\d+\]: \w[\w.]*(?:Error|Exception)\b")


def train_in_workers(job: Job, place: WorkingFolder, progress: Progress) -> Weights:
    """Train in `settings.workers` processes.

    Raises:
        TrainingError: workers are lost again and again.
        AssaylineError: what else a worker came to.

    """
    job.save(place.folder / JOB_FILE)
    events = EventReader(place.folder)
    stop = StopSignal()
    lost_in_a_row = 0
    with stop.deferred():
        while True:
            before = place.resumed_from
            place = fetch(job, place)
            lost_in_a_row = 0 if place.resumed_from > before else lost_in_a_row
            place.save(place.folder / PLACE_FILE)
            if _run(job, place, events, progress, stop) == 0:
                return load_weights(place.folder)
            if stop.requested:
                raise StoppedError
            if has_error(place.folder):
                raise_error(place.folder)
            lost_in_a_row += 1
            _go_on(place, lost_in_a_row)
            place = place.anew()


def _run(
    job: Job, place: WorkingFolder, events: EventReader, progress: Progress, stop: StopSignal
) -> int:
    """Start the workers and wait for their end; returns the launcher's exit code."""
    settings = job.store.settings.model_copy(update={"mlflow_url": job.tracking.url})
    log = place.folder / LOG_FILE
    with run_workers(
        "tasks.training.rank_process", [str(place.folder)], job.settings.workers, settings, log
    ) as group:
        code = None
        while code is None:
            code = group.wait(LOOK_EVERY_S)
            _pass_on(events, progress)
            _end_if_terminated(group, stop)
        return code


def _pass_on(events: EventReader, progress: Progress) -> None:
    for kind, number, words in events.new():
        if kind == "progress":
            progress(number, words)
        else:
            logger.log(int(number), "%s", words)


def _end_if_terminated(group: TorchrunGroup, stop: StopSignal) -> None:
    if stop.requested:
        group.terminate()


def _go_on(place: WorkingFolder, lost_in_a_row: int) -> None:
    """Say that a worker was lost.

    Raises:
        TrainingError: it was so too often.

    """
    said = _last_words(place.folder / LOG_FILE)
    if lost_in_a_row > MAX_RESTARTS:
        raise TrainingError(
            f"a worker was lost {lost_in_a_row} times without a new checkpoint; the last words: "
            f"{said}; set training.workers to 1, or look at the machine's memory and devices"
        )
    logger.warning(
        "a worker was lost; all are started again and go on from the last checkpoint (%s)", said
    )


def _last_words(log: Path) -> str:
    """What the worker that was lost first said, or how it ended."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    root = next((at for at in reversed(range(len(lines))) if "Root Cause" in lines[at]), 0)
    told = [line.strip() for line in lines[root:] if "Signal" in line]
    errors = [line for line in lines[:root] if WORKER_ERROR.match(line)]
    return (told or errors or lines or ["nothing"])[-1][:LOG_CHARS_SHOWN]
