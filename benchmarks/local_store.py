"""A real object store on loopback, for as long as a benchmark runs."""

import os
import secrets
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infra.settings import Settings
from infra.store import ObjectStore

_STARTUP_S = 20


@contextmanager
def served_store() -> Iterator[Settings]:
    """Settings of a new store that has its bucket."""
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    address = f"127.0.0.1:{free_port()}"
    rclone = Path(sysconfig.get_path("scripts")) / "rclone"
    with tempfile.TemporaryDirectory(prefix="bench-store-") as folder:
        server = subprocess.Popen(
            [rclone, "serve", "s3", "--addr", address, folder],
            env={**os.environ, "RCLONE_AUTH_KEY": f'"{key},{secret}"'},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_port(address, _STARTUP_S)
            settings = Settings(
                store_endpoint_url=f"http://{address}",
                store_access_key_id=key,
                store_secret_access_key=secret,
                mlflow_url=None,
                prefect_url=None,
            )
            ObjectStore(settings).ensure_bucket(settings.artifacts_bucket)
            yield settings
        finally:
            server.terminate()
            server.wait()


def environment_of(settings: Settings) -> Mapping[str, str]:
    """The environment in which another process finds the store."""
    assert settings.store_endpoint_url
    assert settings.store_access_key_id
    assert settings.store_secret_access_key
    return {
        **os.environ,
        "ASSAYLINE_STORE_ENDPOINT_URL": settings.store_endpoint_url,
        "ASSAYLINE_STORE_ACCESS_KEY_ID": settings.store_access_key_id.get_secret_value(),
        "ASSAYLINE_STORE_SECRET_ACCESS_KEY": settings.store_secret_access_key.get_secret_value(),
    }


def peak_memory_mb() -> float:
    """The most memory that this process ever held at once (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not tell a process's peak memory in /proc/self/status")


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(address: str, timeout_s: float) -> None:
    """Wait until something listens at an address, as host:port."""
    host, port = address.split(":")
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
