"""How a program of a container ends for a mistake of its user: one line, and exit code 1."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from infra.errors import AssaylineError


@contextmanager
def exit_with_message() -> Iterator[None]:
    """End this process with the message of an error that a user can mend, without a traceback."""
    try:
        yield
    except AssaylineError as error:
        sys.exit(f"error: {error}")
