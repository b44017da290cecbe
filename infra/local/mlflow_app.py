"""MLflow's server behind the address filter, and behind its login where it asks one.

MLflow finds it as its app of the name ``assayline`` (entry point ``mlflow.app``), and hands it to
uvicorn.
"""

import base64
import os
from collections.abc import Callable, Iterable

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.local.address_filter import AddressFilter, addresses_of_process, answer_forbidden
from infra.local.login import READER

# MLflow's own name for the file that says how it asks for a login; unset where it asks none.
LOGIN_VARIABLE = "MLFLOW_AUTH_CONFIG_PATH"
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# How each path ends by which something is looked for with POST.
LOOK_UPS = ("/search", "/search-datasets", "/graphql")
# By which a person changes their own password, and MLflow lets them change no other. The reader's
# is that of services, and of each version while it is staged.
OWN_ACCOUNT = "/mlflow/users/update-password"


class ReaderFilter:
    """Keeps the reader, and who has the role of a viewer, from making anything.

    MLflow lets every user make experiments and models, and move the aliases of what they made: a
    reader could take the name of a line before its first version.

    Args:
        app: the server.
        is_viewer: whether a user has that role.

    """

    def __init__(self, app: ASGIApp, is_viewer: Callable[[str], bool]) -> None:
        self._app = app
        self._is_viewer = is_viewer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 403."""
        if scope["type"] == "http" and not _reads(scope):
            for user in _users(scope["headers"]):
                if user != READER and _changes_own_password(scope):
                    continue
                if user == READER or await run_in_threadpool(self._is_viewer, user):
                    await answer_forbidden(send, f"the user {user} reads, and changes nothing")
                    return
        await self._app(scope, receive, send)


def create_app() -> ASGIApp:
    """The app that uvicorn serves."""
    app: ASGIApp
    if os.environ.get(LOGIN_VARIABLE):
        from mlflow.server.auth import create_app as create_app_with_login

        app = ReaderFilter(create_app_with_login(), _is_viewer)
    else:
        from mlflow.server.fastapi_app import app as app_without_login

        app = app_without_login
    return AddressFilter(app, addresses_of_process())


def _reads(scope: Scope) -> bool:
    if scope["method"] == "POST":
        return bool(scope["path"].endswith(LOOK_UPS))
    return scope["method"] in READING_METHODS


def _changes_own_password(scope: Scope) -> bool:
    return scope["method"] == "PATCH" and bool(scope["path"].endswith(OWN_ACCOUNT))


def _users(headers: Iterable[tuple[bytes, bytes]]) -> set[str]:
    """Whom a request names as its user; whether truly so, MLflow finds out."""
    return {_user(value) for name, value in headers if name.lower() == b"authorization"}


def _is_viewer(name: str) -> bool:
    """Whether a user has the role of a viewer and none that decides."""
    from mlflow.exceptions import MlflowException
    from mlflow.server.auth import store

    try:
        user = store.get_user(name)
    except MlflowException:  # there is no such user, whom MLflow refuses
        return False
    held = {role.name for role in store.list_user_roles(user.id)}
    return "viewer" in held and "approver" not in held and not user.is_admin


def _user(authorization: bytes) -> str:
    scheme, _, given = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return ""
    try:
        return base64.b64decode(given.strip()).partition(b":")[0].decode()
    except ValueError:
        return ""
