"""Small disks that run full, and an object store on one of them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra.settings import Settings
from tests.conftest import SCRIPTS, free_port, stop, wait_for

FILLER = "filler"


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own for a folder, in memory; the test is skipped where none can be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("small disks are mounted as root on Linux")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leave no room on the disk of a folder."""
    filler = folder / FILLER
    try:
        with filler.open("wb", buffering=0) as file:
            for block in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(bytes(block))
                except OSError:
                    continue
        assert shutil.disk_usage(folder).free < 1 << 12
        yield
    finally:
        filler.unlink()


@contextmanager
def store_on(folder: Path, like: Settings) -> Iterator[Settings]:
    """An object store on a folder that holds what another one holds, with its keys.

    What it holds is copied: what is written to one of them afterwards is not in the other.
    """
    assert like.store_access_key_id
    assert like.store_secret_access_key
    keys = (like.store_access_key_id, like.store_secret_access_key)
    pair = ",".join(key.get_secret_value() for key in keys)
    for bucket in (like.artifacts_bucket, like.mlflow_bucket, like.results_bucket):
        shutil.copytree(like.home.parent / bucket, folder / bucket)
    url = f"http://127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [SCRIPTS / "rclone", "serve", "s3", "--addr", urlsplit(url).netloc, str(folder)],
        env={**os.environ, "RCLONE_AUTH_KEY": f'"{pair}"', "RCLONE_CONFIG": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(url, process)
        yield like.model_copy(update={"store_endpoint_url": url})
    finally:
        stop(process)
