"""A registered version served over HTTP by MLflow's own scoring server, in a process of its own."""

import json
import logging
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from infra.errors import PromotionError
from infra.settings import load_settings

logger = logging.getLogger(__name__)

SCRIPT: Final = Path(__file__).with_name("serving_process.py")
# Named after this project's own settings, which a served model has no business with.
HIDDEN_PREFIXES: Final = ("ASSAYLINE_", "PREFECT_", "PYTHON")
LIBRARY_FOLDERS: Final = ("site-packages", "dist-packages")
POLL_S: Final = 0.05
STOP_TIMEOUT_S: Final = 10.0
LAST_OUTPUT_CHARS: Final = 1500

# An answer to one row: the same keys for every row, and JSON behind them.
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Answer = dict[str, Json]


@dataclass(frozen=True)
class ServedModel:
    """A running serving process.

    Attributes:
        name: of the version, for messages.
        process: the interpreter that serves.
        client: keeps its connection between requests, as a consumer does.
        folder: the artifact as it was downloaded from the registry.
        log: all that the process has written.
        load_s: seconds for downloading the version and loading it.

    """

    name: str
    process: subprocess.Popen[bytes]
    client: httpx.Client
    folder: Path
    log: Path
    load_s: float

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Answer] | None:
        """Answers in the order of the rows, or None where they are not one a row.

        Args:
            rows: one or more; the model's input columns by name, JSON behind them.

        Raises:
            PromotionError: the process has died or does not answer in time.

        """
        columns = list(rows[0])
        data = [[row[column] for column in columns] for row in rows]
        body = {"dataframe_split": {"columns": columns, "data": data}}
        try:
            answer = self.client.post("/invocations", json=body)
        except httpx.HTTPError as error:
            raise PromotionError(self._explain(f"gave no answer ({error!r})")) from error
        if answer.is_error:
            logger.warning("%s refuses a request: %s", self.name, _reason(answer))
        return _read_answers(answer, len(rows))

    @property
    def answer_keys(self) -> frozenset[str]:
        """What every answer holds, by the artifact's signature; empty where it says nothing."""
        from mlflow.models import Model

        signature = Model.load(str(self.folder)).signature
        outputs = signature.outputs if signature else None
        return frozenset(outputs.input_names() if outputs else ())

    @property
    def size_bytes(self) -> int:
        """All files of the registered artifact."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the process now."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    @property
    def requirements(self) -> tuple[str, ...]:
        """What the artifact says that it needs."""
        path = self.folder / "requirements.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return tuple(line.strip() for line in lines if line.strip())

    def _explain(self, what: str) -> str:
        code = self.process.poll()
        state = "still runs" if code is None else f"ended with exit code {code}"
        return (
            f"{self.name}, served in a process of its own, {what}; the process {state}. "
            f"Its last output:\n{_last_output(self.log)}"
        )


def _read_answers(answer: httpx.Response, expected: int) -> list[Answer] | None:
    try:
        rows = answer.raise_for_status().json(parse_constant=_refuse_constant)["predictions"]
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
        return None
    whole = isinstance(rows, list) and len(rows) == expected
    return rows if whole and all(isinstance(row, dict) for row in rows) else None


def _reason(answer: httpx.Response) -> str:
    """The last line of what the server says, which names the error and seldom the data."""
    try:
        said = answer.json()
        text = said.get("stack_trace") or said.get("message")
    except (ValueError, AttributeError):
        text = None
    last = str(text or answer.reason_phrase).strip().splitlines()[-1]
    return f"status {answer.status_code}, {last[:LAST_OUTPUT_CHARS]}"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


@contextmanager
def served(
    tracking_url: str,
    model_uri: str,
    manifest: bytes,
    *,
    start_timeout_s: float,
    request_timeout_s: float,
) -> Iterator[ServedModel]:
    """Serve a version for as long as the block runs; the process is ended with it, come what may.

    Args:
        tracking_url: MLflow server and registry.
        model_uri: for example ``models:/bbc-news/3``.
        manifest: of the version; files that are others are not loaded.
        start_timeout_s: seconds for start, download and loading.
        request_timeout_s: seconds for one answer.

    Raises:
        PromotionError: the version is not that of the manifest, does not load, or does not serve
            in time; the message ends with the process's last output.

    """
    with tempfile.TemporaryDirectory(prefix="assayline-serving-") as name:
        work = Path(name)
        (work / "manifest.json").write_bytes(manifest)
        process = _start(work, tracking_url, model_uri, request_timeout_s)
        try:
            ready = _wait_until_ready(process, work, model_uri, start_timeout_s)
            with httpx.Client(
                base_url=f"http://127.0.0.1:{ready.port}",
                timeout=request_timeout_s,
                trust_env=False,
            ) as client:
                yield ServedModel(
                    model_uri, process, client, ready.artifact, work / "log", ready.load_s
                )
        finally:
            _stop(process)


def _start(
    work: Path, tracking_url: str, model_uri: str, request_timeout_s: float
) -> subprocess.Popen[bytes]:
    settings = load_settings()
    # An MLflow that has a reader hands the artifacts over itself; nobody else needs the store.
    hidden = settings.store_keys if settings.mlflow_reader else {}
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(HIDDEN_PREFIXES) and name not in hidden
    }
    # The model is in the registry; nothing may be fetched from anywhere else.
    environment |= {
        "MLFLOW_TRACKING_URI": tracking_url,
        # A model is somebody's code: it gets the login of who reads, and not the owner's.
        **settings.mlflow_reader_login,
        "HF_HUB_OFFLINE": "1",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        # Past the client's own: a slow answer raises there, and is never taken for a wrong one.
        "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": str(math.ceil(request_timeout_s) + 60),
    }
    command = [
        sys.executable, "-I", "-S", str(SCRIPT), "--model-uri", model_uri,
        "--folder", str(work / "model"), "--manifest", str(work / "manifest.json"),
        "--ready", str(work / "ready.json"),
        "--libraries", *(path for path in sys.path if path.endswith(LIBRARY_FOLDERS)),
    ]  # fmt: skip
    with (work / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=work,
            env=environment,
            # Never written to: its end tells the process that this one is gone.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


@dataclass(frozen=True)
class _Ready:
    """What the process says when it serves: where, since how long, and from which folder."""

    port: int
    load_s: float
    artifact: Path


def _wait_until_ready(
    process: subprocess.Popen[bytes], work: Path, name: str, timeout_s: float
) -> _Ready:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PromotionError(
                f"{name} cannot be served: the process ended with exit code "
                f"{process.returncode}. Its last output:\n{_last_output(work / 'log')}"
            )
        if (work / "ready.json").is_file():
            said = json.loads((work / "ready.json").read_text(encoding="utf-8"))
            ready = _Ready(int(said["port"]), float(said["load_s"]), Path(said["artifact"]))
            if _answers(ready.port):
                return ready
        time.sleep(POLL_S)
    raise PromotionError(
        f"{name} did not serve within {timeout_s:g} s (setting staging.start_timeout_s). "
        f"Its last output:\n{_last_output(work / 'log')}"
    )


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ping", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()


def _last_output(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-LAST_OUTPUT_CHARS:].strip() or "none"
