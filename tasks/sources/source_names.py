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
    with naming(f"sources.{name}"):
        yield


@contextmanager
def naming(setting: str) -> Iterator[None]:
    """Say of an error of ours which setting names the source that it is about."""
    try:
        yield
    except AssaylineError as error:
        raise type(error)(f"{setting}: {error}") from error
