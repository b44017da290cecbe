"""The events by which Prefect's server tells that a block was made, changed or deleted.

They hold what the block holds, but for the fields that are secret by its type. Of a custom webhook
the address is none of these, and in the address of a chat's webhook the path is the secret. Events
are read by more people than blocks are, and stand in the database as they are.
"""

from collections.abc import Callable
from typing import Final

from prefect.server.events.schemas import lifecycle
from prefect.server.events.schemas.events import Event
from prefect.server.schemas.core import BlockDocument
from prefect.types import DateTime

BlockEvent = Callable[[BlockDocument, DateTime], Event]
# The functions of Prefect's that make them.
NAMES: Final = (
    "block_document_created_event", "block_document_updated_event", "block_document_deleted_event",
)  # fmt: skip


def withhold_block_data() -> None:
    """Have this process's events of blocks say which block it is, and nothing that it holds."""
    for name in NAMES:
        setattr(lifecycle, name, _without_data(getattr(lifecycle, name)))


def _without_data(event_of: BlockEvent) -> BlockEvent:
    return lambda block, occurred: event_of(block.model_copy(update={"data": {}}), occurred)
