"""An event of a block says which block it is, and nothing that it holds."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from prefect.server.events.schemas import lifecycle
from prefect.server.schemas.core import BlockDocument

from infra.local.block_events import NAMES, withhold_block_data
from tests.security.planted import holding, new_secret

SECRET = new_secret()


@pytest.mark.parametrize("name", NAMES)
def test_an_event_holds_nothing_of_the_block(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for own in NAMES:  # to be put back
        monkeypatch.setattr(lifecycle, own, getattr(lifecycle, own))
    data = {"url": f"https://hooks.example.org/{SECRET}", "method": "POST"}
    block = BlockDocument(
        name="chat", data=data, block_type_id=uuid4(), block_schema_id=uuid4(),
        block_type_name="Custom Webhook",
    )  # fmt: skip

    def told() -> bytes:
        event = getattr(lifecycle, name)(block, datetime.now(UTC))
        assert event.payload["name"] == "chat"
        return str(event.model_dump_json()).encode()

    assert holding(SECRET, [("as Prefect makes it", told())])
    withhold_block_data()
    assert not holding(SECRET, [(name, told())])
    assert block.data == data
