"""What each version of a line is now, as a table on the page of a run that may have changed it."""

import logging

from infra.errors import AssaylineError
from infra.store import open_store
from infra.tracking import open_tracking
from tasks.stages.run_page import show_states

_log = logging.getLogger(__name__)


def show_version_states(line: str) -> None:
    """Show them; what was decided stands even if this cannot be."""
    from tasks.registry.version_states import version_states

    try:
        states = version_states(line, store=open_store(), tracking=open_tracking())
    except AssaylineError as error:
        _log.warning("the versions of %s are not shown: %s", line, error)
        return
    show_states(line, states)
