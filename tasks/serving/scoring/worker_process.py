"""A process that scores the pieces that it is given, with the model loaded once.

Run by `worker_pool`, as ``python -P -m tasks.serving.scoring.worker_process``.
"""

import logging

import pyarrow as pa

from infra.errors import AssaylineError
from infra.store import ObjectStore
from infra.thread_waits import short_waits_under_load
from infra.worker_processes import Messages
from tasks.serving.production_model import ProductionModel, model_of_folder
from tasks.serving.scoring.parts import write_part
from tasks.serving.scoring.worker_messages import Answered, Job, Piece

logger = logging.getLogger(__name__)


def main() -> None:
    """Score pieces until the parent is gone."""
    messages = Messages()
    job: Job = messages.next()
    store = ObjectStore(job.settings)
    with short_waits_under_load(), model_of_folder(job.production, job.folder) as model:
        while True:
            piece: Piece = messages.next()
            messages.answer(_score(piece, model, store))


def _score(piece: Piece, model: ProductionModel, store: ObjectStore) -> Answered:
    try:
        rows = pa.ipc.open_stream(piece.content).read_all()
        return Answered(piece.number, write_part(piece.folder, rows, model, store))
    except AssaylineError as error:
        return Answered(piece.number, None, error)
    except Exception as error:  # a defect of ours, which the parent tells
        logger.exception("a piece of %s rows is not scored", piece.rows)
        return Answered(piece.number, None, defect=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
