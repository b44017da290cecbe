"""A Prefect server that is busy: asked again, and given up on with one message."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from infra.errors import StackError
from infra.prefect_api import TRIES, PrefectApi
from infra.settings import Settings
from tests.http_servers import answering


class BusyServer(HTTPServer):
    """Answers 503 so many times, and then an empty list."""

    busy_answers = 0
    asked = 0


class Handler(BaseHTTPRequestHandler):
    server: BusyServer

    def do_POST(self) -> None:
        self.server.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
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
