"""What annotators entered in Label Studio or Argilla, read from what these tools export.

Label Studio: the export named JSON (labelstud.io/guide/export), a list of tasks with `data` and
`annotations`. Argilla 2: `dataset.records.to_json`, a list of records with `fields`, `metadata` and
`responses`. What a model proposed (predictions, suggestions) is no annotation.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from tasks.sources.columns import ReadColumn
from tasks.sources.json_documents import read_list
from tasks.sources.nested_names import object_of
from tasks.sources.pinned import PinnedFile
from tasks.sources.settings import AnnotationsSource
from tasks.sources.shards import ANNOTATORS_DIFFER, NOT_ANNOTATED, WRONG_TYPE, Shard
from tasks.sources.values import JsonObject, Value, WrongValueError, what_is

Given = dict[str, list[Value]]

# Kinds of columns that hold a list; of the others an answer of one value is that value.
_LISTS: Final = frozenset({"labels", "texts", "tags", "turns", "groups", "prompt"})
# Where a result of Label Studio holds what was entered, where not below its type.
_VALUE_OF: Final = {"textarea": "text", "datetime": "datetime"}
# Records of Argilla for which as many annotators as asked have submitted their answers.
_COMPLETED: Final = "completed"


def read_label_studio(
    file: PinnedFile, settings: AnnotationsSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Tasks of a file, numbered by their place in it.

    Raises:
        DataError: the file is no list, or no task has a column.

    """
    return read_list(file, settings, columns, partial(_task, settings=settings, columns=columns))


def read_argilla(
    file: PinnedFile, settings: AnnotationsSource, columns: Sequence[ReadColumn]
) -> Iterator[Shard]:
    """Records of a file, numbered by their place in it.

    Raises:
        DataError: the file is no list, or no record has a column.

    """
    return read_list(file, settings, columns, partial(_record, settings=settings, columns=columns))


def _task(
    value: Value, *, settings: AnnotationsSource, columns: Sequence[ReadColumn]
) -> JsonObject:
    task = object_of(value)
    data = _object(task, "data", "a task; for JSON-MIN set source.format: json")
    annotations = [object_of(one) for one in _list(task, "annotations")]
    kept = [one for one in annotations if one.value("was_cancelled") is not True]
    given = [_results(annotation) for annotation in kept]
    # Who submitted an annotation without a result gave an answer too: none of the choices.
    names = dict.fromkeys(name for one in given for name in one)
    answers: Given = {name: [one.get(name, []) for one in given] for name in names}
    if not answers:
        raise WrongValueError(
            NOT_ANNOTATED, f"{len(annotations)} annotations, none of which holds a result"
        )
    settled = _settled(answers, settings, columns)
    named = _values(data) | {"data": data, "id": task.value("id")} | settled
    return JsonObject([*named.items()])


def _results(annotation: JsonObject) -> dict[str, Value]:
    """What one annotator entered, by the name of the control tag; lists, since a tag has many."""
    entered: dict[str, list[Value]] = defaultdict(list)
    for one in _list(annotation, "result"):
        result = object_of(one)
        kind, name = result.value("type"), result.value("from_name")
        if isinstance(kind, str) and isinstance(name, str):
            value = object_of(result.value("value")).value(_VALUE_OF.get(kind, kind))
            entered[name] += value if isinstance(value, list) else [value]
    return dict(entered)


def _record(
    value: Value, *, settings: AnnotationsSource, columns: Sequence[ReadColumn]
) -> JsonObject:
    record = object_of(value)
    fields = _object(record, "fields", "a record")
    metadata = record.value("metadata")
    if record.value("status") != _COMPLETED:
        raise WrongValueError(
            NOT_ANNOTATED, f"its status is not {_COMPLETED}: annotators have not submitted it"
        )
    answers: Given = {
        name: [object_of(one).value("value") for one in _list(responses, name)]
        for responses in [_object(record, "responses", "a record")]
        for name in responses
    }
    settled = _settled(answers, settings, columns)
    about = {"fields": fields, "metadata": metadata, "id": record.value("id")}
    return JsonObject([*(_values(fields) | about | settled).items()])


def _settled(
    answers: Mapping[str, Sequence[Value]],
    settings: AnnotationsSource,
    columns: Sequence[ReadColumn],
) -> dict[str, Value]:
    """What annotators gave to each name that is read.

    Raises:
        WrongValueError: they differ.

    """
    kinds = {column.source: column.kind for column in columns}
    settled: dict[str, Value] = {}
    for name, given in answers.items():
        if name not in kinds:
            continue
        contents = [json.dumps(_unordered(one), sort_keys=True) for one in given]
        counts = Counter(contents)
        ((content, count),) = counts.most_common(1)
        enough = len(given) if settings.annotator_agreement == "all" else len(given) // 2 + 1
        if count < enough:
            raise WrongValueError(
                ANNOTATORS_DIFFER,
                f"{len(given)} annotators gave {len(counts)} answers to {name!r}; let them agree, "
                "or set source.annotator_agreement: majority",
            )
        value = given[contents.index(content)]
        if isinstance(value, list) and len(value) <= 1 and kinds[name] not in _LISTS:
            value = value[0] if value else None
        settled[name] = value
    return settled


def _unordered(value: Value) -> Value:
    """Several choices are the same in any order."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return sorted(value, key=str)
    return value


def _values(entry: JsonObject) -> dict[str, Value]:
    return {name: entry.value(name) for name in entry}


def _object(entry: JsonObject, name: str, what: str) -> JsonObject:
    value = entry.value(name)
    if not isinstance(value, JsonObject):
        found = f"{name!r} is {what_is(value)}; it is an object in {what}"
        raise WrongValueError(WRONG_TYPE, found)
    return value


def _list(entry: JsonObject, name: str) -> list[Value]:
    value = entry.value(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise WrongValueError(WRONG_TYPE, f"{name!r} is {what_is(value)}; the export has a list")
    return value
