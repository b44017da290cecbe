"""Several processes that score pieces side by side; one that is lost is replaced."""

import logging
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from types import TracebackType
from typing import Final, Self

from infra.device import pick_device
from infra.errors import ScoringError
from infra.machine import available_cores
from infra.worker_processes import WorkerProcess, start_worker
from tasks.serving.scoring.parts import Part
from tasks.serving.scoring.worker_messages import Answered, Job, Piece

logger = logging.getLogger(__name__)

_MODULE: Final = "tasks.serving.scoring.worker_process"
# Pieces that a worker has at a time: one that it scores, and the next.
_HELD: Final = 2
# How often a piece is given to a new worker after one was lost over it.
MAX_LOST: Final = 3
_DEFAULT_WORKERS: Final = 4


def worker_count(asked: int | None) -> int:
    """How many processes score: those that are asked for, else what suits the machine."""
    if asked is not None:
        return asked
    return 1 if pick_device().name == "cuda" else min(available_cores(), _DEFAULT_WORKERS)


@dataclass
class _Worker:
    process: WorkerProcess
    knows_job: bool = False
    held: deque[Piece] = field(default_factory=deque)


class WorkerPool:
    """The processes of a run; as a context manager it ends them."""

    def __init__(self, job: Job, count: int) -> None:
        self._job = job
        self._threads = max(1, available_cores() // count)
        self._count = count
        self._workers: list[_Worker] = []
        self._again: deque[Piece] = deque()
        self._lost: Counter[int] = Counter()
        self._lost_in_a_row = 0

    def score(self, pieces: Iterable[Piece]) -> Iterator[tuple[int, Part]]:
        """Number and part of each piece, as they come; some pieces are asked for ahead.

        Raises:
            ScoringError: workers are lost again and again.
            AssaylineError: what else a worker came to.

        """
        coming = iter(pieces)
        while True:
            self._hand_out(coming)
            if not any(worker.held for worker in self._workers):
                return
            for worker in self._ready():
                answered = self._receive(worker)
                if answered is not None:
                    yield answered.number, _part_of(answered)

    def _hand_out(self, coming: Iterator[Piece]) -> None:
        """Give each worker what it can hold; the one with least first."""
        while True:
            idle = min(self._workers, key=lambda worker: len(worker.held), default=None)
            if idle is not None and len(idle.held) >= _HELD and len(self._workers) == self._count:
                return
            piece = self._again.popleft() if self._again else next(coming, None)
            if piece is None:
                return
            if len(self._workers) < self._count and (idle is None or idle.held):
                idle = self._start()
            assert idle is not None  # noqa: S101 - else one was started
            self._give(idle, piece)

    def _start(self) -> _Worker:
        worker = _Worker(start_worker(_MODULE, self._threads))
        self._workers.append(worker)
        return worker

    def _give(self, worker: _Worker, piece: Piece) -> None:
        worker.held.append(piece)
        try:
            if not worker.knows_job:
                worker.process.connection.send(self._job)
                worker.knows_job = True
            worker.process.connection.send(piece)
        except OSError:
            self._lose(worker)

    def _ready(self) -> list[_Worker]:
        by_connection = {worker.process.connection: worker for worker in self._workers}
        return [by_connection[one] for one in wait(list(by_connection))]  # type: ignore[index]

    def _receive(self, worker: _Worker) -> Answered | None:
        try:
            answered: Answered = worker.process.connection.recv()
        except (EOFError, OSError):
            self._lose(worker)
            return None
        worker.held = deque(piece for piece in worker.held if piece.number != answered.number)
        self._lost_in_a_row = 0
        return answered

    def _lose(self, worker: _Worker) -> None:
        """Take what a lost worker was given, to be given to another.

        Raises:
            ScoringError: this happened too often.

        """
        self._workers.remove(worker)
        code = worker.process.end()
        self._again.extendleft(reversed(worker.held))
        self._lost_in_a_row += 1
        if worker.held:
            self._lost[worker.held[0].number] += 1
        if max(self._lost.values(), default=0) > MAX_LOST or self._lost_in_a_row > MAX_LOST:
            rows = worker.held[0].rows if worker.held else 0
            raise ScoringError(
                f"a worker that scores was lost again and again, with exit code {code}"
                f"{' (killed, as the system does when memory runs out)' if code == -9 else ''}, "  # noqa: PLR2004
                f"the last one over {rows:,} rows; set scoring.workers or scoring.rows_at_once "
                "lower, or look at what it wrote last. What was scored is kept, and the same "
                "command goes on there"
            )
        logger.warning("a worker ended with exit code %s; another scores its rows again", code)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.process.end()
        self._workers = []


def _part_of(answered: Answered) -> Part:
    if answered.error is not None:
        raise answered.error
    if answered.part is None:
        raise RuntimeError(f"a worker failed: {answered.defect}")
    return answered.part
