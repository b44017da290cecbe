"""Temporary files of work whose process ends, one way or another."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.temporary_files import PREFIX, own_temporary_folder

WORK = """
import sys, tempfile
from pathlib import Path
from infra.temporary_files import own_temporary_folder
with own_temporary_folder():
    Path(tempfile.mkdtemp(), "weights").write_bytes(b"w" * 1000)
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def folders(scratch: Path) -> set[Path]:
    return set(scratch.glob(f"{PREFIX}*"))


def start(scratch: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", WORK], env={**os.environ, "TMPDIR": str(scratch)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_files_are_in_it_and_gone_with_it(scratch: Path) -> None:
    with own_temporary_folder() as folder:
        inside = Path(tempfile.mkdtemp(prefix="model-"))
        assert inside.parent == folder
    assert tempfile.gettempdir() == str(scratch)
    assert not list(scratch.iterdir())


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(scratch: Path) -> None:
    killed = start(scratch)
    (left,) = folders(scratch)
    with start(scratch) as living:
        (used,) = folders(scratch) - {left}
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert folders(scratch) == {left, used}
        (scratch / f"{PREFIX}foreign").mkdir()  # without a lock nobody knows whose it is
        with own_temporary_folder() as folder:
            assert folders(scratch) == {used, folder, scratch / f"{PREFIX}foreign"}
            assert list(used.rglob("weights"))
        living.communicate("")
    assert folders(scratch) == {scratch / f"{PREFIX}foreign"}
