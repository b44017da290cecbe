"""Whether a server answers, and what to tell a user when it does not."""

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import httpx

from infra.errors import StackError, TrackingError
from infra.local.parts import HOST, Part
from infra.running_stacks import stack_of
from infra.settings import Settings

ANSWER_TIMEOUT_S = 5.0
LOG_LINES = 15


def answers(url: str) -> bool:
    """Whether a server answers this address, with whatever status."""
    try:
        httpx.get(url, timeout=ANSWER_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def check_answers(url: str) -> None:
    """Ask whether anybody answers an address.

    Raises:
        StackError: nobody does.

    """
    if not answers(url):
        raise StackError(f"nobody answers {url}; start it (assayline up)")


def mlflow_answers(settings: Settings) -> bool:
    """Whether MLflow says that it is well."""
    try:
        answer = httpx.get(
            f"{(settings.mlflow_url or '').rstrip('/')}/health",
            timeout=ANSWER_TIMEOUT_S,
            trust_env=not is_loopback(settings.mlflow_url),
        )
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.is_success


def check_mlflow(settings: Settings) -> None:
    """Ask MLflow how it is.

    Raises:
        TrackingError: there is none, or it does not answer.

    """
    if not settings.mlflow_url:
        raise TrackingError("no MLflow server; start one (assayline up) or set MLFLOW_TRACKING_URI")
    if not mlflow_answers(settings):
        raise TrackingError(
            f"the MLflow server at {settings.mlflow_url} does not answer; start it (assayline up) "
            "or set MLFLOW_TRACKING_URI to the one that runs"
        )


def is_loopback(url: str | None) -> bool:
    """Whether an address is this machine's own, which no proxy of the environment can reach."""
    return (httpx.URL(url).host if url else "") in {HOST, "localhost", "::1"}


def check_ports(parts: Iterable[Part]) -> None:
    """Make sure that nobody else listens where these parts will.

    Raises:
        StackError: a port is taken; names all that are, each with the setting to change.

    """
    taken = [part for part in parts if part.port is not None and not _is_free(part.port)]
    if taken:
        lines = [
            f"  port {part.port} for {part.name}{_listener(part.port)}: stop that program, or set "
            f"{part.port_variable} to a free port"
            for part in taken
        ]
        raise StackError("taken by another program:\n" + "\n".join(lines))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Without this a port whose last connections are still being closed would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _listener(port: int | None) -> str:
    """Who listens on a port, as far as this user may know."""
    import psutil

    with suppress(psutil.Error, OSError):
        for entry in psutil.net_connections(kind="tcp"):
            listens = entry.status == psutil.CONN_LISTEN and entry.laddr.port == port
            if listens and entry.pid:
                home = stack_of(entry.pid)
                ours = f"; `assayline down --home {home}` stops that stack of yours" if home else ""
                return f" (pid {entry.pid}, {psutil.Process(entry.pid).name()}{ours})"
    return ""


def tail(log: Path, lines: int = LOG_LINES) -> str:
    """The last lines of a log, indented."""
    if not log.is_file():
        return "  (it wrote nothing)"
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 200 * lines))
        text = file.read().decode(errors="replace")
    kept = text.strip().splitlines()[-lines:]
    return "\n".join(f"  {line}" for line in kept) or "  (it wrote nothing)"


def not_healthy(part: Part, log: Path, what_happened: str) -> StackError:
    """The error for a part that does not come up."""
    return StackError(
        f"{part.name} {what_happened}. The last lines of its log, {log}:\n{tail(log)}"
    )
