"""What Prefect's server says while its database cannot be reached: ask again, and not: an error.

Prefect answers 503 to what a client should ask again, a lost connection among it. A connection that
cannot be made, to a PostgreSQL that is being started again, it answers with 500, which no client
asks again: a run that reports its state in that moment ends. Nothing was changed then, so that
asking again is safe.
"""

import socket
from typing import Final

import asyncpg
from prefect.server.api import server

# Raised as they are by the driver while it connects; Prefect knows those that come later.
AWAY: Final = (
    ConnectionError,
    TimeoutError,
    socket.gaierror,  # the name of a container that does not run
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,  # it is being started or stopped
)


def ask_again_while_the_database_is_away() -> None:
    """Have this process's server answer 503 where its database cannot be reached."""
    known = server.is_client_retryable_exception

    def is_to_be_asked_again(exc: Exception) -> bool:
        return isinstance(exc, AWAY) or known(exc)

    server.is_client_retryable_exception = is_to_be_asked_again
