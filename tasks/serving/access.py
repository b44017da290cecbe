"""Who may ask the server: a token in each request, and connections that end when it shuts down."""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Says whether the server is up, and nothing else; asked by load balancers.
OPEN_PATHS: Final = frozenset({"/ping"})


class TokenCheck:
    """Refuses requests without the token, as ``Authorization: Bearer TOKEN``.

    Args:
        app: what is asked.
        token: None where everybody may ask.

    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 401."""
        if self._expected is None or scope["path"] in OPEN_PATHS or self._has_token(scope):
            await self._app(scope, receive, send)
            return
        refusal = JSONResponse(
            {
                "error_code": "UNAUTHENTICATED",
                "message": "send the token of this server: Authorization: Bearer TOKEN",
            },
            HTTPStatus.UNAUTHORIZED,
            {"WWW-Authenticate": "Bearer"},
        )
        await refusal(scope, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        expected = self._expected or b""
        return len(given) == 1 and hmac.compare_digest(given[0], expected)


class ClosingConnections:
    """Once the server shuts down, each answer ends its connection, so that none is cut off later.

    Args:
        app: what is asked.
        is_closing: whether the server shuts down.

    """

    def __init__(self, app: ASGIApp, is_closing: Callable[[], bool]) -> None:
        self._app, self._is_closing = app, is_closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_closing():
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, send_last)
