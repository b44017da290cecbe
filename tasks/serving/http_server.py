"""The process of `assayline serve`: it serves until it is told to end, and ends in order."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, cast

import uvicorn
from starlette.types import ASGIApp

from infra.errors import SettingsError
from infra.local.address_filter import AddressFilter
from tasks.records.registry import Production
from tasks.serving.access import ClosingConnections, TokenCheck
from tasks.serving.application import Application, EntityFinder
from tasks.serving.line_server import LineServer
from tasks.serving.recording import Recorder

# Longer than load balancers keep an idle connection, so that it is they who close it.
KEEP_ALIVE_S: Final = 75
BACKLOG: Final = 2_048
LOOK_S: Final = 0.05


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet: nobody connects before the model is loaded.

    Raises:
        SettingsError: the address is taken, or is none of this machine.

    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With the protocol named, asyncio turns Nagle's algorithm off, which adds 40 ms an answer.
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise _taken(host, port, error) from error
    return listening


def _take_connections(listening: socket.socket) -> None:
    """From now on; of two servers that bound one address at once, the second one fails here."""
    try:
        listening.listen(BACKLOG)
    except OSError as error:
        host, port, *_ = listening.getsockname()
        raise _taken(host, port, error) from error


def _taken(host: str, port: int, error: OSError) -> SettingsError:
    return SettingsError(
        f"cannot listen at {host}, port {port}: {error.strerror}; choose another --port or "
        "--host, or stop what listens there"
    )


class _DrainingServer(uvicorn.Server):
    """Ends connections with an answer that says so, before it closes those that are idle."""

    def __init__(self, config: uvicorn.Config, drain_s: float) -> None:
        super().__init__(config)
        self._drain_s = drain_s
        self.is_closing = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `run_server`: uvicorn would raise them again when it is done."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, wait for those that are there, then close them."""
        self.is_closing = True
        await asyncio.sleep(0)  # what has been accepted is read first
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._drain_s
        while self.server_state.connections and loop.time() < until and not self.force_exit:
            await asyncio.sleep(LOOK_S)
        await super().shutdown(sockets)


async def run_server(
    server: LineServer,
    recorder: Recorder,
    listening: socket.socket,
    *,
    software: str,
    addresses: Sequence[str],
    token: str | None,
    say: Callable[[str], None],
    finder: EntityFinder | None = None,
) -> None:
    """Serve a line until SIGTERM or SIGINT, and end when every request was answered.

    Args:
        server: not started yet.
        recorder: not started yet.
        listening: as `listen` gives it.
        software: name and version of this program.
        addresses: under which the server is reached; requests to others are refused.
        token: that each request must name; None asks for none.
        say: is told when requests are taken, and when no more are.
        finder: the line that finds entities for this one, not started yet either.

    Raises:
        AssaylineError: there is no version in production that can be served, or another server
            took the address meanwhile.

    """
    told_to_end = asyncio.Event()
    http = _DrainingServer(_config(), server.settings.drain_s)
    _on_signals(told_to_end, http)
    application = Application(server, recorder, software, finder)
    served = [(server, recorder), *([(finder.server, finder.recorder)] if finder else ())]
    http.config.app = _guarded(application.app, http, addresses, token)
    if not await _started([one for one, _ in served], told_to_end):
        return
    for _, recording in served:
        recording.start()
    watching = [asyncio.create_task(one.watch()) for one, _ in served]
    production = server.production
    try:
        _take_connections(listening)
        named = f"version {production.version} of {production.line}"
        beside = _beside(finder.server.production) if finder else ""
        say(f"{named} answers at {addresses[0]}/invocations{beside}")
        serving = asyncio.create_task(http.serve([listening]))
        ending = asyncio.create_task(told_to_end.wait())
        await asyncio.wait((serving, ending), return_when=asyncio.FIRST_COMPLETED)
        say("no more requests are taken; those that came are answered")
        http.should_exit = True
        await serving
    finally:
        for task in watching:
            task.cancel()
        await asyncio.wait(watching)
        for one, recording in served:
            await one.close()
            await asyncio.to_thread(recording.close)


def _beside(tagger: Production) -> str:
    return f"; version {tagger.version} of {tagger.line} finds the entities of texts alone"


def _config() -> uvicorn.Config:
    return uvicorn.Config(
        cast("ASGIApp", None), log_level="warning", access_log=False, lifespan="off",
        server_header=False, timeout_keep_alive=KEEP_ALIVE_S, backlog=BACKLOG, log_config=None,
        ws="none",
    )  # fmt: skip


def _guarded(
    app: ASGIApp, http: _DrainingServer, addresses: Sequence[str], token: str | None
) -> ASGIApp:
    checked = AddressFilter(TokenCheck(app, token), addresses)
    return ClosingConnections(checked, lambda: http.is_closing)


def _on_signals(told_to_end: asyncio.Event, http: _DrainingServer) -> None:
    """Have SIGTERM and SIGINT end the server in order, and a second one without waiting."""

    def end() -> None:
        http.force_exit = told_to_end.is_set()
        told_to_end.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)


async def _started(servers: Sequence[LineServer], told_to_end: asyncio.Event) -> bool:
    """Start to serve, one after the other; False where it was told to end before."""
    starting = asyncio.create_task(_start_all(servers))
    ending = asyncio.create_task(told_to_end.wait())
    await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if not starting.done():
        starting.cancel()
        await asyncio.wait((starting,))
        return False
    await starting
    return True


async def _start_all(servers: Sequence[LineServer]) -> None:
    """Where one cannot be served, none is."""
    try:
        for server in servers:
            await server.start()
    except BaseException:
        for server in servers:
            await server.close()
        raise
