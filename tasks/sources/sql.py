"""The rows of a query, read through SQLAlchemy and never held whole.

Nothing that this module says or returns holds a user's name or password: an address is shown
without them, and what a database says is searched for them.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from infra.errors import DataError, SettingsError
from tasks.records.data import SourceFile, SourceVersion
from tasks.sources.addresses import (
    address_of,
    address_of_rows,
    shown,
    without_credentials,
)
from tasks.sources.columns import ReadColumn, columns_to_read, did_you_mean, find_columns
from tasks.sources.settings import SqlSource
from tasks.sources.shards import (
    FIELD_TOO_LONG,
    MAX_ROW_BYTES,
    NUL_BYTE,
    BrokenRow,
    Shard,
    broken_row,
    invalid_encoding,
)
from tasks.sources.typed_rows import TypedRows
from tasks.sources.values import WrongValueError, convert_named, convert_named_field
from tasks.task_types.rows import RowShape

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.exc import SQLAlchemyError

    Row = tuple[object, ...]

_BATCH_ROWS: Final = 1_000
_SHARD_BYTES: Final = 8 << 20
_CONNECT_TIMEOUT_S: Final = 10
_TABLES_SHOWN: Final = 20
_NO_TABLE: Final = re.compile(
    r"no such table: (?P<lite>\S+)|relation \"(?P<postgres>[^\"]+)\" does"
)
_LISTS: Final = frozenset({"labels", "texts", "tags", "turns", "prompt"})


def pin_query(settings: SqlSource) -> tuple[SourceFile, ...]:
    """Fingerprint the rows of a query: one file, whose bytes are all of the rows.

    Raises:
        DataError: the database is unreachable, or refuses the query.
        SettingsError: a variable of the address is not set, or its driver not installed.

    """
    digest = _RowsDigest()
    for names, rows in _read_batches(settings):
        digest.add_names(names)
        for row in rows:
            digest.add(row)
    return (
        SourceFile(
            address_of_rows(settings, address_of(settings)), digest.hexdigest(), digest.size_bytes
        ),
    )


def read_query(source: SourceVersion, settings: SqlSource, shape: RowShape) -> Iterator[Shard]:
    """Read the rows of a query that was pinned; ``row`` is the number of a row in its result.

    Raises:
        DataError: the database is unreachable or refuses the query, a column is missing, or the
            rows are not those that were pinned, which shows when all are read.
        SettingsError: a variable of the address is not set, or its driver not installed.

    """
    (pinned,) = source.files
    columns = columns_to_read(settings, shape)
    digest = _RowsDigest()
    reader = _Reader(pinned.uri, columns)
    for names, rows in _read_batches(settings):
        digest.add_names(names)
        reader.find(names)
        for row in rows:
            reader.add(row, digest.add(row))
            if reader.size_bytes >= _SHARD_BYTES:
                yield reader.take()
    if reader.size_bytes:
        yield reader.take()
    if digest.hexdigest() != pinned.fingerprint:
        raise DataError(
            f"{pinned.uri}: the rows changed while the run was reading them; run again when "
            "nothing writes to them, and give source.query an ORDER BY that leaves no ties"
        )


class _RowsDigest:
    """SHA-256 over the names of the columns and the rows, in order, with their types."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._has_names = False
        self.size_bytes = 0

    def add_names(self, names: Sequence[str]) -> None:
        """Count the names in, the first time."""
        if not self._has_names:
            self._has_names = True
            self.add(tuple(names))

    def add(self, row: "Row") -> int:
        """Count a row in; its size in bytes."""
        # repr keeps apart what str does not: 1, '1' and Decimal('1') are different values.
        line = f"{row!r}\n".encode()
        self._digest.update(line)
        self.size_bytes += len(line)
        return len(line)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class _Reader:
    """Gathers rows to a shard."""

    def __init__(self, uri: str, columns: Sequence[ReadColumn]) -> None:
        self._uri, self._columns = uri, columns
        self._places: list[int] = []
        self._row = 0
        self._start()

    def _start(self) -> None:
        self.size_bytes = 0
        self._rows, self._broken = TypedRows(self._uri, self._columns), list[BrokenRow]()

    def find(self, names: Sequence[str]) -> None:
        """Find the columns in the query's result.

        Raises:
            DataError: one is missing, or there twice.

        """
        self._places = self._places or find_columns(self._uri, names, self._columns)

    def add(self, row: "Row", size_bytes: int) -> None:
        """Take the next row in, as its columns' kinds or as a broken one."""
        self._row += 1
        self.size_bytes += size_bytes
        values = [row[place] for place in self._places]
        try:
            self._rows.add(self._row, self._typed(values, size_bytes))
        except WrongValueError as error:
            data = _as_json(values, self._columns)
            self._broken.append(broken_row(self._uri, self._row, str(error), data, error.told))

    def _typed(self, values: Sequence[object], size_bytes: int) -> list[object]:
        if size_bytes > MAX_ROW_BYTES:
            raise WrongValueError(FIELD_TOO_LONG)
        pairs = zip(values, self._columns, strict=True)
        return [_typed(value, column) for value, column in pairs]

    def take(self) -> Shard:
        """All rows since the last shard."""
        shard = Shard(self._rows.table(), tuple(self._broken))
        self._start()
        return shard


def _typed(value: object, column: ReadColumn) -> object:
    """A database's value as one of the column's kind; a list may also be written as JSON."""
    if isinstance(value, bytes):
        value = _not_text(value)
    if isinstance(value, UUID) and column.kind in {"label", "groups"}:
        return str(value)
    if isinstance(value, str):
        if "\0" in value:
            raise WrongValueError(NUL_BYTE)
        if column.kind in _LISTS:
            return convert_named_field(value, column.source, column.kind)
    return convert_named(value, column.source, column.kind)


def _not_text(value: bytes) -> bytes:
    """Bytes that no column takes; a text that is none is said to be one."""
    try:
        value.decode()
    except UnicodeDecodeError:
        raise WrongValueError(invalid_encoding("utf-8")) from None
    return value


def _as_json(values: Sequence[object], columns: Sequence[ReadColumn]) -> bytes:
    """A row as a person would look at it."""
    entry = {column.source: value for column, value in zip(columns, values, strict=True)}
    return json.dumps(entry, ensure_ascii=False, default=str).encode(errors="backslashreplace")


def _read_batches(settings: SqlSource) -> Iterator[tuple[list[str], "list[Row]"]]:
    """Some rows at a time, with the names of their columns; an empty batch first."""
    from sqlalchemy.exc import SQLAlchemyError

    address = address_of(settings)
    where = address_of_rows(settings, address)
    read = 0
    with _engine(address) as engine:
        try:  # around the connection's end too: a dead session cannot even be rolled back
            with _connect(engine, address) as connection:
                result = connection.execution_options(
                    stream_results=True, no_parameters=True
                ).exec_driver_sql(_statement(settings.query))
                names = list(result.keys())
                yield names, []
                for part in result.partitions(_BATCH_ROWS):
                    read += len(part)
                    yield names, [_plain(row) for row in part]
        except SQLAlchemyError as error:
            raise DataError(_explain(error, where, address, engine, read)) from None


def _plain(row: Sequence[object]) -> "Row":
    """A row whose values do not change when the next one is read."""
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def _statement(query: str) -> str:
    """The query without what may follow its end; a cursor takes no semicolon everywhere."""
    import sqlparse

    return str(sqlparse.split(query, strip_semicolon=True)[0])


@contextmanager
def _engine(address: "URL") -> "Iterator[Engine]":
    """Yield an engine that keeps no connection open.

    Raises:
        SettingsError: the driver is unknown, not installed or asynchronous.

    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    driver = address.drivername
    try:
        engine = create_engine(
            address, poolclass=NullPool, connect_args=_connect_arguments(address)
        )
    except NoSuchModuleError:
        raise SettingsError(f"source.url: SQLAlchemy knows no database {driver!r}") from None
    except ModuleNotFoundError as error:
        hint = "; or write postgresql+psycopg://" if driver == "postgresql" else ""
        raise SettingsError(
            f"source.url: the driver of {driver} is not installed: pip install {error.name}{hint}"
        ) from None
    except (ArgumentError, TypeError, ValueError):
        raise SettingsError(f"source.url is no address that {driver} takes") from None
    if engine.dialect.is_async:
        raise SettingsError(f"source.url: {driver} is an asynchronous driver; name another")
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _connect(engine: "Engine", address: "URL") -> "Iterator[Connection]":
    """Yield a connection that cannot write, where the database has such."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        connection = engine.connect()
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
            driver = connection.connection.dbapi_connection
            # Else one text that is no UTF-8 would end the whole read.
            driver.text_factory = _text_or_bytes  # type: ignore[union-attr]
    except SQLAlchemyError as error:
        reason = without_credentials(_first_line(error), address, user_too=True)
        raise DataError(
            f"source.url: no connection to {shown(address)}: {reason}; is the database running, "
            "and may this user read it?"
        ) from None
    with connection:
        yield connection


def _text_or_bytes(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _connect_arguments(address: "URL") -> dict[str, object]:
    """Have an unreachable server found out soon, unless the address says when."""
    waits = address.drivername in {"postgresql", "postgresql+psycopg", "postgresql+psycopg2"}
    if waits and "connect_timeout" not in address.query:
        return {"connect_timeout": _CONNECT_TIMEOUT_S}
    return {}


def _explain(
    error: "SQLAlchemyError", where: str, address: "URL", engine: "Engine", read: int
) -> str:
    """One message for what went wrong while the query ran."""
    said = _first_line(error)
    reason = without_credentials(said, address, user_too=False)
    did = f"ended the query after row {read:,}" if read else "refuses the query"
    return f"{where}: the database {did}: {reason}{_hint(said, engine)}"


def _first_line(error: "SQLAlchemyError") -> str:
    said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return said.splitlines()[0].rstrip(".;")


def _hint(said: str, engine: "Engine") -> str:
    """The tables that there are, where the query names one that is not there."""
    from sqlalchemy import inspect
    from sqlalchemy.exc import SQLAlchemyError

    missing = _NO_TABLE.search(said)
    if not missing:
        return ""
    try:
        inspector = inspect(engine)
        known = sorted([*inspector.get_table_names(), *inspector.get_view_names()])
    except SQLAlchemyError:
        return ""
    tables = ", ".join(known[:_TABLES_SHOWN]) or "no tables"
    more = " and more" if len(known) > _TABLES_SHOWN else ""
    near = did_you_mean(missing["lite"] or missing["postgres"], known)
    return f"; it has {tables}{more}{near}"
