"""Records of windows in the store: each written once, where its hour says.

``monitor/LINE/YYYY/MM/DD/HH.json`` holds what a window came to; ``HH.labels-HHHH.json`` beside it
what the labels came to that had come so many hours after its end; and
``monitor/LINE/YYYY/MM/DD/HH.alarm.json`` that it raised an alarm.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from infra.errors import IntegrityError
from infra.store import ObjectStore
from tasks.records.monitoring import Alarm, LabelledRows, WatchedWindow, Window
from tasks.records.recorded_requests import hour_folder

MONITOR: Final = "monitor"
_LABELS: Final = ".labels-"

T = TypeVar("T")


def window_uri(line: str, start: datetime, store: ObjectStore) -> str:
    """The address of a window's record."""
    return f"{_stem(line, start, store)}.json"


def labels_uri(line: str, start: datetime, waited_hours: int, store: ObjectStore) -> str:
    """The address of a count of its labels."""
    return f"{_stem(line, start, store)}{_LABELS}{waited_hours:04}.json"


def alarm_uri(line: str, start: datetime, store: ObjectStore) -> str:
    """The address of the alarm that it raised."""
    return f"{_stem(line, start, store)}.alarm.json"


def keep(record: Window | LabelledRows | Alarm, uri: str, store: ObjectStore) -> None:
    """Write a record, unless it stands there.

    The same rows give the same bytes, so that two monitors at one moment write the same.
    """
    if not store.exists(uri):
        store.put_bytes(uri, TypeAdapter(type(record)).dump_json(record, indent=1))


def read_windows(
    line: str, since: datetime, until: datetime, store: ObjectStore
) -> list[WatchedWindow]:
    """The windows that begin in a span of time, oldest first, with their newest labels.

    Raises:
        IntegrityError: a record cannot be read.
        StoreError: the store cannot be asked.

    """
    found = []
    for day in _days(since, until):
        uris = store.list(f"{_day(line, day, store)}/")
        for uri in uris:
            if not _is_window(uri):
                continue
            stem = uri.removesuffix(".json")
            window = _read(Window, uri, store)
            if not since <= window.start < until:
                continue
            counts = [one for one in uris if one.startswith(f"{stem}{_LABELS}")]
            labelled = _read(LabelledRows, counts[-1], store) if counts else window.labelled
            found.append(WatchedWindow(window, labelled))
    return found


def window_uris(line: str, since: datetime, until: datetime, store: ObjectStore) -> list[str]:
    """Addresses of the windows that begin from one hour up to another; none of them is read."""
    first, end = (window_uri(line, moment, store) for moment in (since, until))
    return [
        uri
        for day in _days(since, until)
        for uri in store.list(f"{_day(line, day, store)}/")
        if _is_window(uri) and first <= uri < end
    ]


def newest_window(line: str, since: datetime, until: datetime, store: ObjectStore) -> Window | None:
    """The newest window that was judged; None where none ever was.

    Args:
        line: that is watched.
        since: looked for from here on first, which spares the list of years.
        until: before here.
        store: holds the records.

    """
    end = window_uri(line, until, store)
    uris = window_uris(line, since, until, store) or [
        uri for uri in store.list(f"{store.uri(MONITOR, line)}/") if _is_window(uri) and uri < end
    ]
    return _read(Window, uris[-1], store) if uris else None


def drop_window(window: Window, store: ObjectStore) -> str:
    """Remove a window with its labels and its alarm; its address."""
    uri = window_uri(window.line, window.start, store)
    store.delete(uri.removesuffix("json"))
    return uri


def read_alarms(line: str, since: datetime, until: datetime, store: ObjectStore) -> list[Alarm]:
    """The alarms of windows that begin in a span of time, oldest first."""
    found = []
    for day in _days(since, until):
        uris = store.list(f"{_day(line, day, store)}/")
        found += [_read(Alarm, uri, store) for uri in uris if uri.endswith(".alarm.json")]
    return [one for one in found if since <= one.start < until]


def _is_window(uri: str) -> bool:
    name, _, ending = uri.rpartition("/")[2].partition(".")
    return ending == "json" and name.isdecimal()


def _days(since: datetime, until: datetime) -> Sequence[datetime]:
    first = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [first + timedelta(days=day) for day in range((until - first).days + 1)]


def _day(line: str, day: datetime, store: ObjectStore) -> str:
    return store.uri(*hour_folder(MONITOR, line, day)[:-1])


def _stem(line: str, start: datetime, store: ObjectStore) -> str:
    return store.uri(*hour_folder(MONITOR, line, start))


def _read(kind: type[T], uri: str, store: ObjectStore) -> T:
    try:
        return TypeAdapter(kind).validate_json(store.get_bytes(uri))
    except ValidationError as error:
        raise IntegrityError(
            f"{uri} is no record of the monitor ({error.error_count()} fields are wrong); restore "
            "it from a backup, or remove it: the window is then judged anew"
        ) from error
