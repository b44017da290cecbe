"""What users said of served answers: rows of recorded requests with the labels of feedback.

`assayline serve` records requests and feedback (see `tasks.records.recorded_requests`). A row of a
request that feedback names is a row of the source: the recorded inputs, in which personal data is
redacted, and the label that came last. Feedback on a request that was not recorded cannot be
learned from, and is put aside.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError, SettingsError
from infra.store import ObjectStore
from tasks.records.data import SourceFile, SourceVersion
from tasks.records.recorded_requests import (
    FEEDBACK,
    SaidLabel,
    counts,
    feedback_schema,
    keep_newest,
)
from tasks.sources.columns import ReadColumn, columns_to_read
from tasks.sources.nested_names import object_of
from tasks.sources.pinned import open_pinned
from tasks.sources.settings import FeedbackSource
from tasks.sources.shards import NOT_RECORDED, BrokenRow, Shard, broken_row
from tasks.sources.typed_rows import ShardBuilder, no_rows
from tasks.sources.values import JsonObject, Value, WrongValueError, convert_named, parse_json
from tasks.task_types.rows import RowShape

_ASKED: Final = ("request_id", "row", "inputs")

# A row of a request: the request's id, and its place there.
Key = tuple[str, int]


def read_feedback(
    source: SourceVersion, settings: FeedbackSource, shape: RowShape, store: ObjectStore
) -> Iterator[Shard]:
    """Rows of recorded requests with their labels, request file by request file.

    Raises:
        DataError: a file changed or vanished since it was pinned, or cannot be read.
        SettingsError: rows of the task type hold nothing but what the model reads.

    """
    columns, answer = columns_to_read(settings, shape), answered_column(shape)
    folder = store.uri(FEEDBACK, settings.line, "")
    said: dict[Key, SaidLabel] = {}
    for file in source.files:
        if file.uri.startswith(folder):
            _gather(said, file, settings, store)
    for file in source.files:
        if not file.uri.startswith(folder):
            yield _joined(said, file, columns, answer, store)
    yield Shard(no_rows(columns), tuple(_unrecorded(key, one) for key, one in sorted(said.items())))


def answered_column(shape: RowShape) -> str:
    """The column that a label of feedback fills.

    Raises:
        SettingsError: rows of the task type hold nothing but what the model reads.

    """
    if shape.answered is None:
        raise SettingsError(
            f"source.format: feedback has no place in rows of task type {shape.task_type}, which "
            "hold nothing but what the model reads; choose files"
        )
    return shape.answered.name


def _gather(
    said: dict[Key, SaidLabel], file: SourceFile, settings: FeedbackSource, store: ObjectStore
) -> None:
    """Add what a file says, where nothing newer is said of the same row."""
    table = _read(file, feedback_schema().names, store)
    for place, one in enumerate(table.to_pylist(), start=1):
        if not counts(one["by"], settings.by):
            continue
        given = SaidLabel.read(one["received_at"], one["label"], file.uri, place)
        keep_newest(said, (one["request_id"], one["row"]), given)


def _joined(
    said: dict[Key, SaidLabel],
    file: SourceFile,
    columns: Sequence[ReadColumn],
    answer: str,
    store: ObjectStore,
) -> Shard:
    """The rows of a file of requests that feedback names; they leave what is said."""
    shard = ShardBuilder(file.uri, columns)
    table = _read(file, _ASKED, store)
    for place, (request_id, row) in enumerate(
        zip(*(table.column(name).to_pylist() for name in _ASKED[:2]), strict=True)
    ):
        one = said.pop((request_id, row), None)
        if one is None:
            continue
        inputs = table.column("inputs")[place].as_py()
        try:
            shard.add(place + 1, _values(inputs, one.label, columns, answer), len(inputs))
        except WrongValueError as error:
            raw = f"{inputs} {one.label}".encode(errors="replace")
            shard.put_aside(broken_row(file.uri, place + 1, str(error), raw, error.told))
    return shard.take()


def _values(inputs: str, label: str, columns: Sequence[ReadColumn], answer: str) -> list[Value]:
    entry, said = object_of(parse_json(inputs)), parse_json(label)
    named = dict(said) if isinstance(said, JsonObject) else {answer: said}
    values = {**named, **entry}  # a label is no other input than the model was asked
    return [convert_named(values.get(column.name), column.name, column.kind) for column in columns]


def _read(file: SourceFile, names: Sequence[str], store: ObjectStore) -> pa.Table:
    with open_pinned(file, store) as pinned:
        try:
            return pq.read_table(pinned.path, columns=list(names))
        except (pa.ArrowInvalid, KeyError, OSError) as error:
            raise DataError(
                f"{file.uri} cannot be read as a record of requests: {error}"
            ) from error


def _unrecorded(key: Key, one: SaidLabel) -> BrokenRow:
    told = "its request was not recorded; serving.record.share says how many are"
    return broken_row(one.uri, one.place, NOT_RECORDED, f"{key[0]} {key[1]}".encode(), told)
