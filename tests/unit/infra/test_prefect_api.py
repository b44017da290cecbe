"""A Prefect server that is busy: asked again, and given up on with one message."""

import inspect
import json
import re
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID

import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from tenacity import wait_fixed

from infra.errors import StackError
from infra.prefect_api import CHANGE_TIMEOUT_S, TRIES, PrefectApi
from infra.settings import Settings
from tests.http_servers import answering


class BusyServer(HTTPServer):
    """Answers 503 so many times, and then an empty list."""

    busy_answers = 0
    asked = 0
    waits_s = 0.0


class Handler(BaseHTTPRequestHandler):
    server: BusyServer

    def do_POST(self) -> None:
        self.server.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.waits_s)
        busy = self.server.asked <= self.server.busy_answers
        self.send_response(503 if busy else 200)
        self.end_headers()
        self.wfile.write(json.dumps([]).encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def busy_server() -> Iterator[BusyServer]:
    with answering(BusyServer(("127.0.0.1", 0), Handler)) as server:
        yield server


def api_of(server: BusyServer) -> PrefectApi:
    return PrefectApi(Settings(prefect_url=f"http://127.0.0.1:{server.server_port}/api"))


def test_a_busy_server_is_asked_again(busy_server: BusyServer) -> None:
    busy_server.busy_answers = 2
    assert api_of(busy_server).deployments() == {}
    assert busy_server.asked == 3


def test_a_server_that_stays_busy_is_one_message(busy_server: BusyServer) -> None:
    busy_server.busy_answers = 1000
    with pytest.raises(StackError, match="503"):
        api_of(busy_server).deployments()
    assert busy_server.asked == TRIES


def test_a_change_is_asked_for_until_the_database_may_be_free(
    busy_server: BusyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy_server.busy_answers = TRIES + 1
    monkeypatch.setattr("infra.prefect_api.wait_random_exponential", lambda **_: wait_fixed(0.01))
    api_of(busy_server).release_lease(UUID(int=1))
    assert busy_server.asked == TRIES + 2
    monkeypatch.setattr("infra.prefect_api.CHANGE_TIMEOUT_S", 0.2)
    busy_server.busy_answers = 1000
    with pytest.raises(StackError, match="503"):
        api_of(busy_server).release_lease(UUID(int=1))


def test_a_change_is_waited_for_as_long_as_sqlite_lets_a_writer_wait(
    busy_server: BusyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy_server.waits_s = 0.3
    monkeypatch.setattr("infra.prefect_api.LOOK_TIMEOUT_S", 0.1)
    api_of(busy_server).release_lease(UUID(int=1))
    with pytest.raises(StackError, match="does not answer"):
        api_of(busy_server).deployments()


def test_the_patience_for_a_change_is_longer_than_that_of_prefects_sqlite() -> None:
    source = inspect.getsource(AioSqliteConfiguration.setup_sqlite)
    waits = [int(found) for found in re.findall(r"busy_timeout = (\d+)", source)]
    assert waits
    assert max(waits) / 1000 < CHANGE_TIMEOUT_S
