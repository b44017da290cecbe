"""Why a stage ran: what differs from the last time that it did, by name.

Each time that a stage runs for a line, what its key was made of is kept in the store, below
``stage-runs/LINE/STAGE/``. A stage that was skipped leaves nothing.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from infra.code_digest import Code
from infra.errors import AssaylineError, StoreError
from infra.store import ObjectStore

logger = logging.getLogger(__name__)

FIRST_RUN: Final = "it ran for the first time"
NOTHING_DIFFERS: Final = "nothing differs: its result was gone from the cache"
_FOLDER: Final = "stage-runs"
# Of a value, and of the reasons in a log line.
_SHOWN_CHARACTERS: Final = 40
_SHOWN_REASONS: Final = 3
_DIGEST_CHARACTERS: Final = 64
_SHORT_DIGEST: Final = 8


@dataclass(frozen=True)
class StageRun:
    """What one run of a stage was keyed by.

    Attributes:
        at: when it began, ISO 8601 in UTC.
        flow_run_id: of Prefect.
        arguments: of the stage, as `infra.digests.as_json` gives them.
        inputs: names of the arguments that are records, which other stages made.
        code: the code that it reached.

    """

    stage: str
    at: str
    flow_run_id: str
    arguments: Mapping[str, Any]
    inputs: tuple[str, ...]
    code: Code


@dataclass(frozen=True)
class StageReason:
    """Why a stage ran when it last did.

    Attributes:
        differences: each with its name and what it was and is, for example
            ``settings.epochs: 2 → 3`` or ``tasks/training/trainer.py changed``.

    """

    stage: str
    at: str
    flow_run_id: str
    differences: tuple[str, ...]


def keep_run(line: str, run: StageRun, store: ObjectStore) -> None:
    """Keep what a run was keyed by, and log how it differs from the one before.

    A store that refuses, or a record that cannot be read, is logged and no error: nothing depends
    on what is kept here.
    """
    try:
        folder = store.uri(_FOLDER, line, run.stage, "")
        earlier = store.list(folder)
        content = json.dumps(asdict(run), ensure_ascii=False).encode()
        store.put_bytes(f"{folder}{run.at.replace(':', '')}_{run.flow_run_id}.json", content)
        before = _last_but(run.flow_run_id, earlier, store)
    except AssaylineError as error:
        logger.warning("why %s runs cannot be told: %s", run.stage, error)
        return
    found = _differences(before, run)
    more = f", and {len(found) - _SHOWN_REASONS} more" if len(found) > _SHOWN_REASONS else ""
    logger.info("%s runs: %s%s", run.stage, "; ".join(found[:_SHOWN_REASONS]), more)


def reasons(line: str, store: ObjectStore) -> list[StageReason]:
    """Why each stage of a line last ran, in the order in which they did.

    Raises:
        StoreError: the store cannot be reached, or holds something else there.

    """
    folder = store.uri(_FOLDER, line, "")
    by_stage: dict[str, list[str]] = {}
    for uri in sorted(store.list(folder)):
        by_stage.setdefault(uri.removeprefix(folder).split("/")[0], []).append(uri)
    found = []
    for uris in by_stage.values():
        last = _read(uris[-1], store)
        before = _last_but(last.flow_run_id, uris, store)
        found.append(StageReason(last.stage, last.at, last.flow_run_id, _differences(before, last)))
    return sorted(found, key=lambda reason: reason.at)


def now() -> str:
    """The time as runs are sorted by it, as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _last_but(flow_run_id: str, uris: Iterable[str], store: ObjectStore) -> StageRun | None:
    """The last of these in another flow run, since one run can run a stage twice."""
    others = [uri for uri in uris if not uri.endswith(f"_{flow_run_id}.json")]
    return _read(max(others), store) if others else None


def _read(uri: str, store: ObjectStore) -> StageRun:
    try:
        values = json.loads(store.get_bytes(uri))
        code = Code(**values.pop("code"))
        return StageRun(**{**values, "inputs": tuple(values["inputs"])}, code=code)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(
            f"{uri} is not what a run of a stage left there ({error}); delete it"
        ) from error


def _differences(before: StageRun | None, after: StageRun) -> tuple[str, ...]:
    if before is None:
        return (FIRST_RUN,)
    inputs = {*before.inputs, *after.inputs}
    first, then = (
        _leaves({name: value for name, value in run.arguments.items() if name not in inputs})
        for run in (before, after)
    )
    found = (
        *_changed_inputs(before.arguments, after.arguments, inputs),
        *_changed_values(first, then),
        *_changed_files(before.code, after.code),
        *_changed_values(before.code.libraries, after.code.libraries),
    )
    return found or (NOTHING_DIFFERS,)


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """The values of a JSON value that hold no others, by their path."""
    if isinstance(value, Mapping) and value:
        items = [(f"{path}.{name}" if path else name, item) for name, item in value.items()]
    elif isinstance(value, list) and value:
        items = [(f"{path}[{place}]", item) for place, item in enumerate(value)]
    else:
        return {path: value}
    return {name: leaf for inner, item in items for name, leaf in _leaves(item, inner).items()}


def _changed_inputs(
    before: Mapping[str, Any], after: Mapping[str, Any], inputs: Iterable[str]
) -> Iterator[str]:
    """Records that differ, each with the fields in which it does."""
    for name in sorted(inputs):
        first, then = before.get(name), after.get(name)
        if isinstance(first, Mapping) and isinstance(then, Mapping):
            fields = [key for key in then if first.get(key) != then[key]]
            if fields:
                yield f"input {name}: another {', '.join(fields)}"
        elif first != then:
            yield f"input {name} {'is none' if then is None else 'is another'}"


def _changed_values(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield f"{name} is new: {_shown(after[name])}"
        elif name not in after:
            yield f"{name} is gone; it was {_shown(before[name])}"
        elif before[name] != after[name]:
            yield f"{name}: {_shown(before[name])} → {_shown(after[name])}"


def _changed_files(before: Code, after: Code) -> Iterator[str]:
    """Modules and data files, by their path."""
    first, then = ({**code.modules, **code.files} for code in (before, after))
    for name in sorted(first.keys() | then.keys()):
        is_module = name in before.modules or name in after.modules
        path = f"{name.replace('.', '/')}.py" if is_module else name
        if name not in first:
            yield f"{path} is new to it"
        elif name not in then:
            yield f"{path} no longer counts"
        elif first[name] != then[name]:
            yield f"{path} changed"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) == _DIGEST_CHARACTERS and set(text) <= set("0123456789abcdef"):
        return text[:_SHORT_DIGEST]
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
