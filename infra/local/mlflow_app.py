"""MLflow's server behind the address filter, and behind its login where it asks one.

MLflow finds it as its app of the name ``assayline`` (entry point ``mlflow.app``), and hands it to
uvicorn.
"""

import base64
import os
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from infra.local.address_filter import AddressFilter, addresses_of_process, answer_forbidden
from infra.local.login import READER

# MLflow's own name for the file that says how it asks for a login; unset where it asks none.
LOGIN_VARIABLE = "MLFLOW_AUTH_CONFIG_PATH"
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SEARCHES = "/search"  # how each path ends by which something is looked for with POST


class ReaderFilter:
    """Keeps the reader from making anything.

    MLflow lets every user make experiments and models, and move the aliases of what they made: a
    reader could take the name of a line before its first version.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 403."""
        if scope["type"] == "http" and not _reads(scope) and _is_of_reader(scope["headers"]):
            await answer_forbidden(send, f"the user {READER} reads, and changes nothing")
        else:
            await self._app(scope, receive, send)


def create_app() -> ASGIApp:
    """The app that uvicorn serves."""
    app: ASGIApp
    if os.environ.get(LOGIN_VARIABLE):
        from mlflow.server.auth import create_app as create_app_with_login

        app = ReaderFilter(create_app_with_login())
    else:
        from mlflow.server.fastapi_app import app as app_without_login

        app = app_without_login
    return AddressFilter(app, addresses_of_process())


def _reads(scope: Scope) -> bool:
    return scope["method"] in READING_METHODS or scope["path"].endswith(SEARCHES)


def _is_of_reader(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request names the reader as its user; whether truly so, MLflow finds out."""
    names = {_user(value) for name, value in headers if name.lower() == b"authorization"}
    return READER in names


def _user(authorization: bytes) -> str:
    scheme, _, given = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return ""
    try:
        return base64.b64decode(given.strip()).partition(b":")[0].decode()
    except ValueError:
        return ""
