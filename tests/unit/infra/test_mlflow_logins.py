"""Where MLflow keeps users, nobody is taken for the only one because it cannot list them."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from infra.errors import TrackingError
from infra.mlflow_logins import MlflowLogins
from infra.settings import Settings
from tasks.registry.rights import is_only_login


class OlderMlflow(BaseHTTPRequestHandler):
    """MLflow before 3.17: it has a path for one user, and none for all of them."""

    def do_GET(self) -> None:
        known = self.path.startswith("/api/2.0/mlflow/users/get?")
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(b'{"user": {"username": "ada"}}' if known else b"Not Found")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def older() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OlderMlflow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_mlflow_that_cannot_list_its_users_does_not_pass_for_one_without(
    older: str, tmp_path: Path
) -> None:
    logins = MlflowLogins(Settings(home=tmp_path, mlflow_url=older, mlflow_user="ada"))
    with pytest.raises(TrackingError, match=r"keeps users and does not list them.* MLflow 3\.17"):
        is_only_login(logins)
