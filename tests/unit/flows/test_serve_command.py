"""What `assayline serve` refuses before it serves, and under which addresses it is reached."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.commands.serve_command import addresses_of, serve
from flows.line_settings import settings_of_line
from infra.errors import SettingsError, StackError
from infra.settings import Settings
from tests.http_servers import answering

FLOW = "5f0c6a3e-8d0d-4f0e-9b3b-6a1f7c0d2e11"
CONFIG = {
    "line": "topics",
    "source": {"format": "csv", "path": "a.csv"},
    "serving": {"record": {"share": 0.25}},
}


class PrefectServer(HTTPServer):
    """Has one deployment, retrain/topics."""

    config: Any = CONFIG


class Handler(BaseHTTPRequestHandler):
    server: PrefectServer

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        deployment = {
            "id": FLOW, "name": "topics", "flow_id": FLOW,
            "parameters": {"config": self.server.config},
        }  # fmt: skip
        found = [{"id": FLOW, "name": "retrain"}] if "flows" in self.path else [deployment]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps([] if asked.get("offset") else found).encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def prefect() -> Iterator[PrefectServer]:
    with answering(PrefectServer(("127.0.0.1", 0), Handler)) as server:
        yield server


def settings_of(server: PrefectServer) -> Settings:
    return Settings(prefect_url=f"http://127.0.0.1:{server.server_port}/api")


def test_a_line_is_set_as_its_deployment_says(prefect: PrefectServer) -> None:
    found = settings_of_line("topics", None, settings_of(prefect))
    assert (found.line, found.serving.record.share) == ("topics", 0.25)


def test_without_a_deployment_or_with_a_broken_one_nothing_is_guessed(
    prefect: PrefectServer,
) -> None:
    with pytest.raises(SettingsError, match="no deployment retrain/others says"):
        settings_of_line("others", None, settings_of(prefect))
    for broken in (None, {**CONFIG, "serving": {"record": {"share": 2}}}):
        prefect.config = broken
        with pytest.raises(SettingsError, match="the deployment retrain/topics"):
            settings_of_line("topics", None, settings_of(prefect))
    with pytest.raises(StackError, match="--config FILE"):
        settings_of_line("topics", None, Settings(prefect_url="http://127.0.0.1:9/api"))


def test_a_file_of_another_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(json.dumps(CONFIG))
    assert settings_of_line("topics", path, Settings()).serving.record.share == 0.25
    with pytest.raises(SettingsError, match="of the line topics, and others was asked for"):
        settings_of_line("others", path, Settings())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "localhost.example.org", ""])
def test_without_a_login_it_listens_to_this_machine_alone(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path))
    monkeypatch.setenv("ASSAYLINE_LOGIN", "off")
    with pytest.raises(SettingsError, match="ASSAYLINE_LOGIN is off"):
        serve("topics", host=host)


def test_it_is_reached_by_its_host_by_loopback_and_by_what_a_proxy_shows() -> None:
    assert addresses_of("127.0.0.1", 16000, ("https://scoring.example.org/",)) == (
        "http://127.0.0.1:16000", "http://localhost:16000", "https://scoring.example.org",
    )  # fmt: skip
    assert addresses_of("::1", 80, ())[0] == "http://[::1]:80"


@pytest.mark.parametrize(
    "url",
    ["scoring.example.org", "ftp://a", "https://", "https:///", "https://user:secret@a",
     "https://a/scoring"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="--public-url") as refused:
        addresses_of("127.0.0.1", 16000, (url,))
    assert "secret" not in str(refused.value)
