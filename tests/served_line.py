"""A line that `assayline serve` serves, as a process of its own, for the tests."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.ledger import PROMOTED
from tasks.registry.transitions import evidence_of, record, settle
from tests.conftest import SCRIPTS, free_port

START_S = 240
TOKEN = "a-token-for-the-tests-alone"


@dataclass(frozen=True)
class ServedLine:
    """A server that answers.

    Attributes:
        client: with the server's address and token.
        log: all that it wrote.

    """

    client: httpx.Client
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, texts: Sequence[str], **headers: str) -> httpx.Response:
        """Ask for the answers to texts."""
        return self.client.post("/invocations", json={"inputs": list(texts)}, headers=headers)

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/health").json()
        return found

    def model_processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def wait_for(self, timeout_s: float = START_S, **expected: object) -> dict[str, Any]:
        """Wait until `/health` says this; texts need only be within."""
        deadline = time.monotonic() + timeout_s
        while True:
            health = self.health()
            if all(
                value in health[key] if isinstance(value, str) and value else health[key] == value
                for key, value in expected.items()
            ):
                return health
            assert time.monotonic() < deadline, (health, self.log.read_text())
            time.sleep(0.1)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell the server to end, and wait for its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextmanager
def serving(
    line: str, folder: Path, settings: Settings, serving: Mapping[str, Any], **config: Any
) -> Iterator[ServedLine]:
    """Serve a line with these settings until the block ends."""
    port = free_port()
    path = folder / f"{line}-{port}.yaml"
    whole = {
        "line": line,
        "source": {"format": "csv", "path": "none.csv"},
        "serving": {"poll_s": 0.3, "drain_s": 2, **serving},
        **config,
    }
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    log = folder / f"serve-{port}.log"
    command = [SCRIPTS / "assayline", "serve", line, "--config", path, "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment(folder, settings), cwd=folder, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
            trust_env=False,
        ) as client:
            wait_until_it_answers(client, process, log)
            yield ServedLine(client, process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def environment(folder: Path, settings: Settings) -> dict[str, str]:
    """In which the command finds the servers of the tests."""
    own = ("ASSAYLINE_", "AWS_", "MLFLOW_", "PREFECT_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {
        **inherited,
        **settings.as_environment(),
        "ASSAYLINE_HOME": str(folder / "home"),
        "ASSAYLINE_SERVING_TOKEN": TOKEN,
    }


def wait_until_it_answers(
    client: httpx.Client, process: subprocess.Popen[bytes], log: Path
) -> None:
    """Wait until a server that was started answers a ping."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if client.get("/ping").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"no answer within {START_S} s: {log.read_text()}")


def put_in_production(line: str, version: int, store: ObjectStore, tracking: Tracking) -> None:
    """Move production by the ledger, as a promotion does when its load test is done."""
    state, _ = settle(line, store, tracking)
    evidence = evidence_of(tracking.version_tags(line, version))
    record(
        store, tracking, state, action=PROMOTED, to_version=version, candidate=version,
        verdict=None, reason="as seen", by="policy", evidence=evidence,
    )  # fmt: skip


@dataclass
class Load:
    """Clients that ask one after the other until they are told to stop.

    Attributes:
        answers: text, HTTP status and body of each request that was answered.
        errors: what went wrong with others.

    """

    served: ServedLine
    texts: Sequence[str]
    answers: list[tuple[str, httpx.Response]] = field(default_factory=list)
    errors: list[httpx.TransportError] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, clients: int = 4) -> Iterator["Load"]:
        """Ask for as long as the block runs."""
        threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask(self, number: int) -> None:
        base, headers = self.served.client.base_url, self.served.client.headers
        with httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as client:
            place = number
            while not self._stop.is_set():
                text = self.texts[place % len(self.texts)]
                try:
                    answer = client.post("/invocations", json={"inputs": [text]})
                except httpx.ConnectError as error:  # nobody listens any more: nothing was sent
                    self.errors.append(error)
                    return
                except httpx.TransportError as error:
                    self.errors.append(error)
                else:
                    self.answers.append((text, answer))
                place += 1
