"""Tables, links and bars on the page of a Prefect run; what cannot be shown ends no work.

Prefect's client asks a server that is gone again and again only where it was once connected, and
each artifact has a client of its own: so one that is away for a moment would end a run that has
trained for hours.
"""

import logging
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

logger = logging.getLogger(__name__)


def show_markdown(markdown: str, key: str, description: str) -> UUID | None:
    """Put a text on the page; returns the artifact's id, None where Prefect did not take it."""
    return _shown(
        description, lambda: create_markdown_artifact(markdown, key=key, description=description)
    )


def show_link(url: str, text: str, key: str, description: str) -> UUID | None:
    """Put a link on the page; returns as `show_markdown` does."""
    return _shown(
        description,
        lambda: create_link_artifact(url, link_text=text, key=key, description=description),
    )


def show_table(rows: list[dict[str, Any]], key: str, description: str) -> UUID | None:
    """Put a table on the page, a row each; returns as `show_markdown` does."""
    return _shown(
        description, lambda: create_table_artifact(rows, key=key, description=description)
    )


def show_progress(key: str, words: str = "training begins") -> Callable[[float, str], None]:
    """Put a bar on the page, and return the function that moves it to a percentage."""
    made = _shown(words, lambda: create_progress_artifact(0.0, key=key, description=words))

    def show(percent: float, words: str) -> None:
        if made is not None:
            _shown(words, lambda: update_progress_artifact(made, percent, words))

    return show


def _shown(what: str, create: Callable[[], object]) -> UUID | None:
    try:
        return cast("UUID", create())  # a coroutine only where an event loop runs
    except httpx.HTTPError as error:
        logger.warning("Prefect does not show on the page of this run: %s (%s)", what, error)
        return None
