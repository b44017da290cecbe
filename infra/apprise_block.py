"""A notification block for any address that Apprise knows: mail, Telegram, ntfy and a hundred more.

Prefect's own blocks are each of one service, and none sends mail through a server of one's own. Run
as ``python -m infra.apprise_block``, it makes this type known to the Prefect server of the
environment, so that its form stands among the others.
"""

from typing import Final

from prefect.blocks.notifications import AppriseNotificationBlock
from pydantic import Field, SecretStr

BLOCK_TYPE: Final = "apprise-url"


class AppriseUrl(AppriseNotificationBlock):
    """Sends notifications to an address of Apprise's, such as mailtos://user:password@host."""

    _block_type_name = "Apprise URL"
    _block_type_slug = BLOCK_TYPE

    url: SecretStr = Field(
        default=...,
        title="Apprise URL",
        description="As Apprise writes it, for example mailtos://USER:PASSWORD@smtp.example.org"
        "?from=assayline@example.org&to=team@example.org",
        examples=["mailtos://USER:PASSWORD@smtp.example.org?to=team@example.org"],
    )


def main() -> None:
    """Make the type known to the server."""
    AppriseUrl.register_type_and_schema()


if __name__ == "__main__":
    main()
