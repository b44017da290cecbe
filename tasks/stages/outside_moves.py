"""The look at a line's aliases, and what is told where somebody moved them in MLflow."""

from tasks.notifications.messages import of_alias_check
from tasks.notifications.settings import Notifications
from tasks.records.registry import AliasCheck
from tasks.registry.settings import OnOutsideMove
from tasks.stages.notifications import announce, run_url
from tasks.stages.registry import check_aliases
from tasks.stages.run_page import show_alias_check


def settle_outside_moves(
    line: str,
    on_outside_move: OnOutsideMove,
    notifications: Notifications,
    patience_s: float | None = None,
) -> AliasCheck:
    """Do what the line's setting says of a move past its ledger, and tell of it, whoever finds it.

    Args:
        line: the model line.
        on_outside_move: the line's setting; `refuse` leaves the move to a person.
        notifications: the line's.
        patience_s: how long a transition that is under way is waited for; None leaves the line to
            what comes next, which finishes it.

    """
    found = check_aliases(line, on_outside_move, patience_s)
    if found.moved:
        show_alias_check(found)
        announce(of_alias_check(found, run_url()), notifications)
    return found
