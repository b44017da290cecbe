"""A database that cannot be reached is asked again, as Prefect's clients do at a 503."""

import asyncio
import socket

import asyncpg
import pytest
from prefect.server.api import server

from infra.local.away_database import ask_again_while_the_database_is_away


def status_of(error: Exception) -> int:
    answer = asyncio.run(server.custom_internal_exception_handler(None, error))
    return answer.status_code


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [
        (ConnectionRefusedError(), 500, 503),
        (ConnectionResetError(), 500, 503),
        (TimeoutError(), 500, 503),
        (socket.gaierror(-2, "Name or service not known"), 500, 503),
        (asyncpg.exceptions.ConnectionFailureError(), 500, 503),
        (asyncpg.exceptions.AdminShutdownError(), 500, 503),
        (asyncpg.exceptions.CannotConnectNowError(), 503, 503),
        (OSError(28, "No space left on device"), 500, 500),
        (asyncpg.exceptions.InvalidPasswordError(), 500, 500),
        (ValueError(), 500, 500),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_changed_nothing_is_asked_again(
    error: Exception, before: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = server.is_client_retryable_exception
    monkeypatch.setattr(server, "is_client_retryable_exception", known)  # to be put back
    assert status_of(error) == before
    ask_again_while_the_database_is_away()
    assert status_of(error) == after
