"""Who may speak with an embedded server: requests to its own addresses, from its own pages.

A page of another site that a person looks at can send requests to this machine: by the name of the
site, once that points here (DNS rebinding; the request's ``Host`` tells), or across sites (its
``Origin`` tells). Neither Prefect nor MLflow refuses all of them: Prefect looks at no host, and
MLflow trusts the pages of every port of this machine.
"""

import os
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

# The addresses under which a server is reached, separated by blanks.
ADDRESSES_VARIABLE = "ASSAYLINE_SERVER_ADDRESSES"
FORBIDDEN = 403
# A page that was opened from a file, as `assayline open` does; it may only log in.
FROM_A_FILE = "null"


class AddressFilter:
    """Refuses requests to other hosts and from other origins, before the server sees them.

    Args:
        app: the server.
        addresses: under which it is reached, for example http://127.0.0.1:14200.
        open_to_files: paths that a page opened from a file may post to.

    """

    def __init__(
        self, app: ASGIApp, addresses: Iterable[str], open_to_files: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._origins = frozenset(addresses)
        self._hosts = frozenset(urlsplit(address).netloc for address in self._origins)
        self._open_to_files = frozenset(open_to_files)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 403 (a websocket: close it before it opens)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refused = self._reason_against(scope)
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refused})
        else:
            await answer_forbidden(send, refused)

    def _reason_against(self, scope: Scope) -> str | None:
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return "this server does not answer to that Host"
        for origin in _values(scope, b"origin"):
            from_a_file = origin == FROM_A_FILE and scope["path"] in self._open_to_files
            if origin not in self._origins and not from_a_file:
                return "this server takes no requests from pages of that Origin"
        return None


def addresses_of_process() -> tuple[str, ...]:
    """Under which this process's server is reached, as its part of the stack was given them."""
    return tuple(os.environ[ADDRESSES_VARIABLE].split())


async def answer_forbidden(send: Send, reason: str) -> None:
    """Answer a request with 403 and the reason."""
    body = f"{reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": FORBIDDEN, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
