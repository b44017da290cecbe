"""What a run and its workers send each other."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from infra.errors import AssaylineError
from infra.settings import Settings
from tasks.records.registry import Production
from tasks.serving.scoring.parts import Part


@dataclass(frozen=True)
class Job:
    """What a worker is told first.

    Attributes:
        production: the version.
        folder: of its model and tokenizer, on this machine.
        settings: what it reaches the store with.

    """

    production: Production
    folder: Path
    settings: Settings


@dataclass(frozen=True)
class Piece:
    """Rows to score.

    Attributes:
        number: of the piece within the run.
        folder: where its predictions go.
        rows: how many they are.
        content: they, as an Arrow IPC stream.

    """

    number: int
    folder: str
    rows: int
    content: bytes


@dataclass(frozen=True)
class Answered:
    """What became of a piece: its part, or the error that ends the run."""

    number: int
    part: Part | None
    error: AssaylineError | None = None
    defect: str = ""


def packed(rows: pa.Table) -> bytes:
    """Rows as an Arrow IPC stream, and nothing else of the table that they are cut from."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    content: bytes = sink.getvalue().to_pybytes()
    return content
