"""By whose login a command decides: it tells MLflow, where the flow that it starts finds it."""

from collections.abc import Callable
from uuid import UUID

from infra.mlflow_confirmations import confirm, new_code
from infra.mlflow_logins import MlflowLogins
from infra.settings import Settings
from tasks.registry.rights import check_may_decide, is_only_login


def may_decide(settings: Settings, line: str, what: str) -> Callable[[UUID], None] | None:
    """What confirms a run by the login of these settings, once it was started.

    Args:
        settings: with the person's login at MLflow.
        line: that is decided on.
        what: is decided, for who reads it in MLflow.

    Returns:
        None where MLflow knows this login alone, or none.

    Raises:
        PromotionError: this login may look, and not decide; nothing was started.

    """
    logins = MlflowLogins(settings)
    if is_only_login(logins):
        return None
    check_may_decide(line, logins)
    return lambda run: confirm(logins, str(run), what)


def code_for_form(settings: Settings, line: str, run: UUID) -> str:
    """A code with which the form of a run that waits is this login's; empty as `may_decide`.

    Raises:
        PromotionError: as `may_decide`.

    """
    logins = MlflowLogins(settings)
    if is_only_login(logins):
        return ""
    if line:  # else the run's own look at it refuses who may not
        check_may_decide(line, logins)
    code = new_code()
    confirm(logins, str(run), f"approval {line}", code)
    return code
