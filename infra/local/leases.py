"""The leases of slots as the embedded Prefect server keeps them: one JSON file each.

Prefect's API tells how many slots of a limit are held, and not by whom. The files say it; their
format is Prefect's own (``prefect.server.concurrency.lease_storage.filesystem``).
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ValidationError

from infra.local.parts import LEASES_FOLDER

# The folder's list of when each lease runs out.
INDEX_FILE = "expirations.json"


class Holder(BaseModel):
    """Who asked for the slots."""

    type: Literal["flow_run", "task_run", "deployment"]
    id: UUID


class Metadata(BaseModel):
    """How many slots are leased, and to whom."""

    slots: int
    holder: Holder | None = None


class Lease(BaseModel):
    """Slots that somebody holds until `expiration`, or has renewed by then."""

    id: UUID
    resource_ids: tuple[UUID, ...]
    metadata: Metadata
    created_at: datetime
    expiration: datetime

    @property
    def is_live(self) -> bool:
        """Whether it has not run out."""
        return self.expiration > datetime.now(UTC)


def leases(home: Path) -> Iterator[Lease]:
    """All leases of the embedded server, whether or not they have run out."""
    for path in (home / LEASES_FOLDER).glob("*.json"):
        if path.name != INDEX_FILE:
            # One that is given back while this reads is gone, and one that is broken holds nothing.
            with suppress(FileNotFoundError, ValidationError):
                yield Lease.model_validate_json(path.read_bytes())


def keeps_leases(home: Path) -> bool:
    """Whether this home's Prefect server keeps its leases in files."""
    return (home / LEASES_FOLDER).is_dir()
