"""Which source the newest retraining of a line read: one record a line, in the store.

``sources-used/LINE.json`` is written by each retraining as soon as it has fingerprinted its source,
whatever becomes of the run.
"""

from datetime import UTC, datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError

from infra.digests import digest_of
from infra.errors import IntegrityError
from infra.store import ObjectStore
from tasks.records.data import SourceVersion
from tasks.records.source_use import SourceUse
from tasks.sources.settings import HubSource, MixedSource, SourceSettings, SqlSource

_FOLDER: Final = "sources-used"
_KIND: Final = TypeAdapter(SourceUse)


def use_of(line: str, source: SourceVersion, run: str) -> SourceUse:
    """A source as it is now, read by a run."""
    files = (*source.files, *source.readmitted)
    return SourceUse(
        line=line,
        sha256=digest_of(source),
        files=len(files),
        size_bytes=sum(file.size_bytes for file in files),
        run=run,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def keep_use(use: SourceUse, store: ObjectStore) -> None:
    """Record that a retraining reads a source; the one before is forgotten."""
    store.put_bytes(_uri(use.line, store), _KIND.dump_json(use, indent=1))


def newest_use(line: str, store: ObjectStore) -> SourceUse | None:
    """What the newest retraining of a line read; None where none has recorded it.

    Raises:
        IntegrityError: the record cannot be read.

    """
    uri = _uri(line, store)
    if not store.exists(uri):
        return None
    try:
        return _KIND.validate_json(store.get_bytes(uri))
    except ValidationError as error:
        raise IntegrityError(
            f"{uri} does not say which source the newest retraining of {line} read; remove it, and "
            "the next look starts one"
        ) from error


def how_told(settings: SourceSettings) -> str:
    """What a look costs or cannot see; empty where it reads files or asks the store for digests."""
    parts = settings.parts.values() if isinstance(settings, MixedSource) else (settings,)
    told = []
    if any(isinstance(one, SqlSource) for one in parts):
        told.append("a query is run and all of its rows are read at each look")
    if any(isinstance(one, HubSource) and one.revision for one in parts):
        told.append("a data set of the hub is a commit, and changes only with source.revision")
    return "; ".join(told)


def _uri(line: str, store: ObjectStore) -> str:
    return store.uri(_FOLDER, f"{line}.json")
