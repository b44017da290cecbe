"""What Apprise logs: of an address that it cannot read all of it, with the password or token.

Nothing of it is told but by whoever sends: Prefect's blocks hand over what Apprise says while a
message is sent, and `tasks.stages.notifications` leaves addresses out of that.
"""

import logging
from typing import Final

LOGGER: Final = "apprise"


def withhold_apprise_log() -> None:
    """Keep what Apprise logs in this process out of its logs and off its terminal."""
    log = logging.getLogger(LOGGER)
    log.propagate = False
    if not log.handlers:  # else Python writes warnings to the terminal itself
        log.addHandler(logging.NullHandler())
