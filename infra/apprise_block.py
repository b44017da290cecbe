"""A notification block for any address that Apprise knows: mail, Telegram, ntfy and a hundred more.

Prefect's own blocks are each of one service, and none sends mail through a server of one's own. Run
as ``python -m infra.apprise_block``, it makes this type known to the Prefect server of the
environment, so that its form stands among the others.
"""

import re
from typing import Final

from prefect.blocks.notifications import AppriseNotificationBlock
from pydantic import Field, SecretStr

from infra.apprise_log import withhold_apprise_log
from infra.errors import SettingsError

BLOCK_TYPE: Final = "apprise-url"
_SERVICE: Final = re.compile(r"([A-Za-z][\w+.-]{0,20})://")


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

    def block_initialization(self) -> None:
        """Make the client that sends.

        Raises:
            SettingsError: Apprise cannot read the address. Of it the message says the service
                alone, as the rest may be a secret. (Of a ValueError pydantic would make one with
                all that the block holds.)

        """
        withhold_apprise_log()
        super().block_initialization()
        if not self._apprise_client:
            found = _SERVICE.match(self.url.get_secret_value())
            service = f"of the service {found[1]}" if found else "which begins with no service"
            raise SettingsError(
                f"Apprise cannot read the address, {service}. Write it as Apprise's page on that "
                "service shows it, and a special character of a password as a URL has it, such as "
                "%40 for @"
            )


def main() -> None:
    """Make the type known to the server."""
    AppriseUrl.register_type_and_schema()


if __name__ == "__main__":
    main()
