"""Settings of the notifications of a line."""

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, StringConstraints, model_validator

from infra.settings_models import SettingsModel

# Of what is told; the Prefect event of each has `assayline.` before it.
EventName = Literal[
    "version.promoted",
    "version.refused",
    "approval.pending",
    "canary.started",
    "canary.advanced",
    "canary.stopped",
    "drift.detected",
    "production.rolled-back",
    "registry.moved-outside",
    "run.failed",
    "run.cancelled",
]
EVENT_NAMES: Final[tuple[EventName, ...]] = get_args(EventName)
BLOCK_PATTERN: Final = r"^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*$"


class NotificationSettings(SettingsModel):
    """A notification block of the Prefect server, and what is sent through it."""

    block: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        pattern=BLOCK_PATTERN,
        description="Slug of the block's type and its name, as its page in the Prefect UI shows "
        "them: slack-webhook/team, ms-teams-webhook/team, custom-webhook/team. The block keeps the "
        "address and its secrets; they stand in no file.",
    )
    # Not `on`, which YAML reads as true.
    events: tuple[EventName, ...] = Field(
        default=EVENT_NAMES,
        min_length=1,
        description="What is sent: version.promoted, version.refused, approval.pending, "
        "canary.started, canary.advanced, canary.stopped, drift.detected, "
        "production.rolled-back, registry.moved-outside, run.failed, run.cancelled. All of "
        "them if left out.",
    )

    @model_validator(mode="before")
    @classmethod
    def _names_a_block(cls, given: Any) -> Any:
        """An address is a secret of the block's; no message may show it."""
        block = given.get("block") if isinstance(given, dict) else None
        if isinstance(block, str) and "://" in block:
            raise ValueError(
                "block is an address, which is a secret; save it on the Prefect server as a block "
                "(docs/notifications.md says how), and name that here: slack-webhook/team"
            )
        return given


Notifications = tuple[NotificationSettings, ...]
