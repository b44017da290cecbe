"""The names of several sources: the column that holds them, and messages that say them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from infra.errors import AssaylineError

# Which source a row is from, in shards, origins and the quarantine file.
SOURCE_NAME: Final = "source_name"


@contextmanager
def naming_source(name: str) -> Iterator[None]:
    """Say of an error of ours which of several sources it is about."""
    try:
        yield
    except AssaylineError as error:
        raise type(error)(f"sources.{name}: {error}") from error
