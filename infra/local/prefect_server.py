"""Prefect's server behind the address filter: ``python -m infra.local.prefect_server HOST PORT``.

It serves what ``prefect server start`` does, the app of ``prefect.server.api.server``, with three
things before it: the address filter, a page that logs a browser in, and what lets people in who
have a role at MLflow.
"""

import base64
import hmac
import json
import os
import sys
from urllib.parse import parse_qs

import uvicorn
from prefect.server.api.server import create_app
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.apprise_log import withhold_apprise_log
from infra.local.address_filter import AddressFilter, addresses_of_process
from infra.local.away_database import ask_again_while_the_database_is_away
from infra.local.block_events import withhold_block_data
from infra.local.checked_schemas import check_schemas_once
from infra.local.garbage_collection import collect_in_a_thread
from infra.local.pages import PREFECT_LOGIN_PATH
from infra.local.prefect_roles import ROLES_VARIABLE, RoleGate

LOGIN_FIELD = "login"
LOGIN_VARIABLE = "PREFECT_SERVER_API_AUTH_STRING"
# Prefect's pages keep the login there, in base64, and send it with each request.
_LOGGED_IN = """\
<!doctype html><meta charset="utf-8"><title>Prefect</title>
<script>localStorage.setItem("prefect-password", {token}); location.replace("/");</script>
"""


class LoginPage:
    """Takes the login from a form, and leaves it where Prefect's pages look for it."""

    def __init__(self, app: ASGIApp, login: str) -> None:
        self._app = app
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the form, and pass everything else on."""
        is_here = scope["type"] == "http" and scope["path"] == PREFECT_LOGIN_PATH
        if is_here and scope["method"] == "POST":
            answer = self._answer(await Request(scope, receive).body())
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _answer(self, body: bytes) -> Response:
        (given,) = parse_qs(body.decode("latin-1")).get(LOGIN_FIELD, [""])
        if not hmac.compare_digest(given.encode(), self._login.encode()):
            return PlainTextResponse("this is not the login; `assayline status` shows it\n", 401)
        token = json.dumps(base64.b64encode(self._login.encode()).decode())
        headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
        return HTMLResponse(_LOGGED_IN.format(token=token), headers=headers)


def server_app() -> ASGIApp:
    """What is served: Prefect behind the address filter, and where a login is asked behind both."""
    app: ASGIApp = create_app(final=True)
    login = os.environ.get(LOGIN_VARIABLE)
    mlflow = os.environ.get(ROLES_VARIABLE)
    if login and mlflow:
        app = RoleGate(app, login, mlflow)
    if login:
        app = LoginPage(app, login)
    return AddressFilter(
        app, addresses_of_process(), open_to_files=[PREFECT_LOGIN_PATH] if login else []
    )


def main() -> None:
    """Serve until told to end."""
    host, port = sys.argv[1:]
    collect_in_a_thread()
    withhold_apprise_log()  # of messages that automations send
    withhold_block_data()
    check_schemas_once()
    ask_again_while_the_database_is_away()
    # The server's own settings: a worker holds its websocket open, and answers pings meanwhile.
    from prefect.settings import get_current_settings

    api = get_current_settings().server.api
    uvicorn.run(
        server_app(),
        host=host,
        port=int(port),
        timeout_keep_alive=api.keepalive_timeout,
        ws_ping_interval=api.websocket_ping_interval,
        ws_ping_timeout=api.websocket_ping_timeout,
        log_level="info",
        access_log=False,
    )


if __name__ == "__main__":
    main()
