"""Secrets that a test plants, and every place in which something may have written them."""

import base64
import gzip
import io
import json
import os
import re
import secrets
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg
import pyarrow.parquet as pq
from psycopg import sql

# So many letters and digits in a row are found nowhere by chance.
TELLING_CHARACTERS = 12
SQLITE = b"SQLite format 3\0"
# How files begin that `unpacked` cannot open: bzip2, xz, lz4, Zstandard.
SEALED = (b"BZh", b"\xfd7zXZ", b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd")
DEEPEST = 4


def new_secret() -> str:
    """A password with characters that a URL, a shell and a configuration file each write otherwise.

    What is cut off at one of them, as a mask for passwords in addresses may, leaves the other half.
    """
    return f"{secrets.token_hex(10)}@/:%${secrets.token_hex(10)}"


def forms_of(secret: str) -> list[bytes]:
    """A secret as it may stand somewhere: plain, in a URL, in JSON, in hexadecimal, in base64.

    In base64 three bytes become four characters, so that a text looks otherwise at each of three
    places in what is encoded; the first and the last characters depend on what stands beside it.
    Its long runs of letters and digits look the same however the rest is written.
    """
    plain = secret.encode()
    found = [plain, plain.hex().encode(), quote(secret, safe="").encode()]
    found.append(json.dumps(secret)[1:-1].encode())
    runs = re.findall(rf"[0-9A-Za-z]{{{TELLING_CHARACTERS},}}", secret)
    found += [run.encode() for run in runs]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + plain).rstrip(b"=")
        inner = encoded[4 if before else 0 : -2]
        found += [inner, inner.translate(bytes.maketrans(b"+/", b"-_"))]
    return list(dict.fromkeys(found))


def holding(secret: str, texts: Iterable[tuple[str, bytes]]) -> list[str]:
    """The names of the texts that hold a secret in some form."""
    forms = forms_of(secret)
    return sorted({name for name, text in texts if any(form in text for form in forms)})


def unpacked(name: str, data: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """A file as it is, and what is packed in it: a Parquet file's cells, an archive's members.

    Raises:
        AssertionError: it is packed in a way that this does not open, and so cannot be searched.

    """
    yield name, data
    assert not data.startswith(SEALED), f"{name} is packed, and is not searched"
    assert depth < DEEPEST, f"{name} is packed in what is packed"
    for inner in _members(data):
        yield from unpacked(name, inner, depth + 1)


def _members(data: bytes) -> Iterator[bytes]:
    if data.startswith(b"PAR1"):
        yield str(pq.read_table(io.BytesIO(data)).to_pydict()).encode()
    elif data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif data.startswith(b"PK\x03\x04"):  # also what torch and numpy save
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(member) for member in archive.namelist())


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each file by its path, also as it is when it is unpacked, and each table of SQLite's."""
    # What goes while it is listed is passed over.
    for path in (Path(at, name) for at, _, names in os.walk(folder) for name in names):
        if not path.is_file() or path.is_symlink():
            continue
        name = path.relative_to(folder).as_posix()
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # of a run by a schedule, which has ended
            continue
        yield from unpacked(name, data)
        if data.startswith(SQLITE):
            yield from rows_of_sqlite(name, path)


def rows_of_sqlite(name: str, path: Path) -> Iterator[tuple[str, bytes]]:
    """Each table of an SQLite database with all of its rows, as text.

    The file itself holds a long row in pieces, between which a secret is not found.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in found:
            rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608
            yield f"{name} {table}", "\n".join(map(str, rows)).encode()


def rows_of_postgres(database: str) -> Iterator[tuple[str, bytes]]:
    """Each table of a PostgreSQL database with all of its rows, as text.

    Args:
        database: how to connect to it.

    """
    with psycopg.connect(database) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN"
            " ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            rows = connection.execute(
                sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(schema, table))
            )
            yield f"table {table}", "\n".join(row[0] or "" for row in rows).encode()
