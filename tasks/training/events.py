"""What workers tell the process that started them, through files in the shared folder."""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import infra.errors
from infra.errors import AssaylineError, TrainingError
from infra.store import Artifact
from tasks.records.group_dro import GroupWeights
from tasks.records.training import Epoch, TrainingPoint, Weights

EVENTS_FILE: Final = "events.jsonl"
WEIGHTS_FILE: Final = "weights.json"
ERROR_FILE: Final = "error.json"
Event = tuple[Literal["progress", "log"], float, str]


class EventWriter(logging.Handler):
    """Writes progress and log lines of this worker."""

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.INFO)
        self._file = (folder / EVENTS_FILE).open("a", encoding="utf-8", buffering=1)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log line."""
        self._write("log", record.levelno, record.getMessage())

    def progress(self, percent: float, words: str) -> None:
        """Write how far training is."""
        self._write("progress", percent, words)

    def _write(self, kind: str, number: float, words: str) -> None:
        self._file.write(json.dumps([kind, number, words]) + "\n")


class EventReader:
    """Reads what `EventWriter` writes, whole lines alone."""

    def __init__(self, folder: Path) -> None:
        self._path, self._read = folder / EVENTS_FILE, 0

    def new(self) -> Iterator[Event]:
        """Events since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                kind, number, words = json.loads(line)
                yield kind, number, words


def save_weights(folder: Path, weights: Weights) -> None:
    """Write the result of the training."""
    (folder / WEIGHTS_FILE).write_text(json.dumps(asdict(weights)), encoding="utf-8")


def load_weights(folder: Path) -> Weights:
    """Read what `save_weights` wrote."""
    values: dict[str, Any] = json.loads((folder / WEIGHTS_FILE).read_text(encoding="utf-8"))
    grouped = values.get("group_weights")
    return Weights(
        **{
            **values,
            "artifact": Artifact(**values["artifact"]),
            "labels": tuple(values["labels"]),
            "epochs": tuple(Epoch(**epoch) for epoch in values["epochs"]),
            "curve": tuple(TrainingPoint(**point) for point in values["curve"]),
            "group_weights": _group_weights(grouped) if grouped else None,
        }
    )


def _group_weights(values: dict[str, Any]) -> GroupWeights:
    return GroupWeights(tuple(values["mean"]), tuple(values["last"]), values["cut"])


def save_error(folder: Path, error: AssaylineError) -> None:
    """Write an error that the user can mend, for `raise_error`."""
    words = [type(error).__name__, str(error)]
    (folder / ERROR_FILE).write_text(json.dumps(words), encoding="utf-8")


def has_error(folder: Path) -> bool:
    """Whether a worker wrote an error."""
    return (folder / ERROR_FILE).exists()


def raise_error(folder: Path) -> NoReturn:
    """Raise the error that a worker wrote."""
    name, message = json.loads((folder / ERROR_FILE).read_text(encoding="utf-8"))
    raise getattr(infra.errors, name, TrainingError)(message)
