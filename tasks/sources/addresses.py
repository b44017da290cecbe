"""Addresses of databases, and how they may be shown: never with a user's name or password."""

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from infra.errors import DataError, SettingsError
from infra.settings import expand_variables
from tasks.sources.settings import SqlSource

if TYPE_CHECKING:
    from sqlalchemy import URL

_PORT = re.compile(r":(\$\w+|\$\{\w+\})(?=[/?]|$)")
_SECRET_OPTION = re.compile(r"(?i)passw|pwd|secret|token|odbc_connect")


def address_of(settings: SqlSource) -> "URL":
    """The address with the values of its variables.

    Each part is filled in by itself, so that a password may hold any character.

    Raises:
        SettingsError: a variable is not set, or what comes out is no address.
        DataError: the file of a SQLite database does not exist.

    """
    if settings.url.startswith("$"):
        return _read_only(_parsed(expand_variables(settings.url)))
    # A port must be a number before the address can be taken apart.
    address = _parsed(_PORT.sub(lambda port: expand_variables(port[0]), settings.url))
    parts = ("username", "password", "host", "database")
    filled = {
        part: expand_variables(str(value)) for part in parts if (value := getattr(address, part))
    }
    query = {
        name: expand_variables(value)
        if isinstance(value, str)
        else tuple(expand_variables(one) for one in value)
        for name, value in address.query.items()
    }
    return _read_only(address.set(**filled, query=query))  # type: ignore[arg-type]


def _parsed(text: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        address = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError(
            "source.url is no address such as postgresql+psycopg://reader:$PASSWORD@host/database "
            "when its variables are filled in"
        ) from None
    rest = f"{address.host or ''}{address.database or ''}"
    if "@" in rest and address.get_backend_name() != "sqlite":  # the rest may be a password's
        raise SettingsError(
            "source.url has more than one @ when its variables are filled in; write the password "
            "as a variable of its own, or its @ as %40"
        )
    return address


def _read_only(address: "URL") -> "URL":
    """Have SQLite open its file for reading, and not make one."""
    if address.drivername not in {"sqlite", "sqlite+pysqlite"}:
        return address
    name = address.database or ":memory:"
    if name.startswith("file:"):
        return address
    path = Path(os.path.abspath(name))  # noqa: PTH100 - as SQLAlchemy would
    if not path.is_file():
        raise DataError(f"source.url: there is no database file {path}; correct the address")
    query = {**address.query, "mode": "ro", "uri": "true"}
    return address.set(database=f"file:{quote(str(path))}", query=query)


def address_of_rows(settings: SqlSource, address: "URL") -> str:
    """Where the rows come from, and a short digest of the query that gave them."""
    return f"{shown(address)}#query-{hashlib.sha256(settings.query.encode()).hexdigest()[:12]}"


def shown(address: "URL") -> str:
    """An address without user, password and options."""
    port = f":{address.port}" if address.port else ""
    name = unquote((address.database or "").removeprefix("file:"))
    return f"{address.get_backend_name()}://{address.host or ''}{port}/{name}"


def without_credentials(said: str, address: "URL", *, user_too: bool) -> str:
    """What a database says, without the password, and without the user's name if asked.

    A query that is refused is no place for a user's name, and it may well be a column's.
    """
    for secret in _secrets(address):
        said = said.replace(secret, "***")
    if user_too and address.username:
        said = re.sub(rf"(?<!\w){re.escape(address.username)}(?!\w)", "***", said)
    return said


def _secrets(address: "URL") -> list[str]:
    """The password, and the options that hold one."""
    options = [str(value) for name, value in address.query.items() if _SECRET_OPTION.search(name)]
    return [secret for secret in [str(address.password or ""), *options] if secret]
