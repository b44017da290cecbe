"""The process that holds a model and answers for it: ``python -P -m tasks.serving.model_process``.

It is a child of the server, and reads rows from its standard input and writes answers to its
standard output (see `tasks.serving.messages`). It is started without any login: the files that it
loads were downloaded and held against their manifest before. It ends when its input does, and so
when the server is gone, however it went.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from infra.errors import AssaylineError
from infra.thread_waits import short_waits_under_load
from tasks.serving.messages import LENGTH, ModelSpec, packed
from tasks.task_types.examiner import examiner_of
from tasks.task_types.kept_models import keep_models
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

Rows = list[dict[str, Any]]
# What a process says to rows: one JSON value a row.
Says = Callable[[Rows], list[Any]]


def answering(spec: ModelSpec) -> Says:
    """What answers rows: one JSON value a row, as it was evaluated.

    Raises:
        SettingsError: the task type is not installed here.

    """
    shape = shape_of(spec.task_type)
    examiner = examiner_of(spec.task_type, spec.labels, spec.limits)
    folder = Path(spec.folder)

    def answer(rows: Rows) -> list[Any]:
        answers = examiner.answer(folder, as_table(rows, shape)).to_pylist()
        return [json.loads(one) for one in answers]

    return answer


def as_table(rows: Rows, shape: RowShape) -> "pa.Table":
    """Rows as the examiner takes them: the input columns of the task type, typed."""
    import pyarrow as pa

    schema = pa.schema([(column.name, arrow_type(column.kind)) for column in shape.inputs])
    return pa.Table.from_pylist(rows, schema=schema)


def serve(
    requests: BinaryIO, answers: BinaryIO, made: Callable[[ModelSpec], Says] = answering
) -> None:
    """Answer what comes, one message after the other, until there is no more.

    Args:
        requests: messages of the server.
        answers: takes those to it.
        made: what answers rows of a model.

    """

    def say(message: object) -> None:
        answers.write(packed(message))
        answers.flush()

    spec = _read(requests)
    if spec is None:
        return
    try:
        answer = made(ModelSpec.of(spec))
    except AssaylineError as error:
        say({"error": str(error)})
        return
    say({})
    while (rows := _read(requests)) is not None:
        try:
            said: dict[str, Any] = {"answers": answer(rows)}
        except AssaylineError as error:
            said = {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - a row that breaks the model ends no others
            said = {"error": f"{type(error).__name__}: {error}"}
        say(said)


def _read(requests: BinaryIO) -> Any:
    """The next message; None where there is none any more."""
    head = requests.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    content = requests.read(length)
    return json.loads(content) if len(content) == length else None


def main(made: Callable[[ModelSpec], Says] = answering) -> None:
    """Take the standard streams for messages, and serve."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a library prints must not stand between two messages.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with keep_models(), short_waits_under_load():
        serve(sys.stdin.buffer, answers, made)


if __name__ == "__main__":
    main()
