"""What looks for planted secrets finds them, in each form and place."""

import base64
import gzip
import io
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.security.planted import files_below, forms_of, holding, new_secret
from tests.security.watched_processes import Watch

SECRET = "s3cretS3cretS3cret"


@pytest.mark.parametrize("secret", [SECRET, new_secret()], ids=["one that stays", "a new one"])
def test_each_form_of_a_secret_is_found(secret: str) -> None:
    for before in ("", "a", "ab", "user:"):
        encoded = base64.b64encode(f"{before}{secret}:more".encode())
        assert holding(secret, [("x", b"Basic " + encoded)]) == ["x"]
    address = f"postgresql://u:{quote(secret, safe='')}@h"
    assert holding(secret, [("x", address.encode())]) == ["x"]
    assert holding(secret, [("x", quote(address).encode())]) == ["x"]
    assert holding(secret, [("x", secret.encode().hex().encode()), ("y", b"s3cret")]) == ["x"]
    assert all(len(form) >= 12 for form in forms_of(secret))


def test_half_a_secret_is_found() -> None:
    """As a mask leaves it that ends at the first @ of an address."""
    secret = new_secret()
    for half in secret.split("@"):
        assert holding(secret, [("x", half.encode())]) == ["x"]


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": [SECRET] * 9}), file, compression="zstd")
    return file.getvalue()


def archive(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("inside", data)
    return file.getvalue()


PACKED: Mapping[str, bytes] = {
    "Parquet": parquet(),
    "gzip": gzip.compress(SECRET.encode() * 9),
    "zip": archive(SECRET.encode() * 9),
    "Parquet in a zip": archive(parquet()),
}


@pytest.mark.parametrize("name", PACKED)
def test_what_is_packed_is_found(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(PACKED[name])
    assert holding(SECRET, files_below(tmp_path)) == ["file"]


def test_what_cannot_be_opened_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x28\xb5\x2f\xfd and more")
    with pytest.raises(AssertionError, match="file is packed"):
        list(files_below(tmp_path))


def test_a_row_of_sqlite_is_found_in_its_log_and_across_its_pages(tmp_path: Path) -> None:
    long = "x" * 4_060 + f"{SECRET * 3}" + "y" * 9_000
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE secrets (text TEXT)")
        connection.execute("INSERT INTO secrets VALUES (?)", [long])
        connection.commit()
        assert {"db-wal", "db secrets"} <= set(holding(SECRET, files_below(tmp_path)))


def test_a_command_line_an_environment_and_a_file_of_a_moment_are_seen(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    watch = Watch(tmp_path, temporary)
    watch.start()
    code = (
        "import pathlib, sys, time; path = pathlib.Path(sys.argv[1]); path.write_text(sys.argv[2]);"
        " path.chmod(0o640); time.sleep(1.5); path.unlink(); time.sleep(0.5)"
    )
    shown = {"HIDDEN": SECRET[::-1], "FOLDER": str(tmp_path)}
    command = [sys.executable, "-c", code, str(temporary / "brief"), SECRET]
    subprocess.run(command, env=shown, check=True, timeout=60)
    watch.stop()
    assert holding(SECRET, [(line, line.encode()) for line in watch.commands])
    assert holding(SECRET[::-1], [("", repr(watch.environments).encode())])
    brief = [one for one in watch.files if one.data]
    assert [one.name for one in brief] == ["brief"] * len(brief)
    assert brief
    assert holding(SECRET, [(one.name, one.data) for one in brief])
    assert brief[-1].mode[0] in {0o644, 0o640, 0o600}
