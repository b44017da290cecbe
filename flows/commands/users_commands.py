"""The commands on people: who may approve, and who may only look. MLflow keeps them."""

import secrets
from typing import Annotated

from cyclopts import App, Parameter

from flows.commands import console
from flows.commands.line_commands import AsJson
from infra.errors import TrackingError
from infra.mlflow_logins import MlflowLogins, Role
from infra.settings import load_settings

PASSWORD_BYTES = 16

AsRole = Annotated[
    Role, Parameter(help="approver: looks, and decides on every line. viewer: looks alone.")
]

users = App(name="users", help="Show, add and remove the people who may approve, or only look.")


@users.default
def list_users(*, as_json: AsJson = False) -> int:
    """Show who has a login at MLflow, and what it may do."""
    found = _logins().users()
    if as_json:
        console.show_json([{"login": one.username, "role": one.role} for one in found])
    elif not found:
        console.say("MLflow asks no login, so whoever reaches it may do everything", "bad")
    else:
        console.show_table(("login", "role"), [(one.username, one.role or "-") for one in found])
    return 0


@users.command
def add(name: str, *, role: AsRole) -> int:
    """Give a person a login of their own, or another role; from then on each decision names one.

    The password is shown once. The person changes it on MLflow's page, or you with `users remove`
    and `users add`.

    Args:
        name: the login.
    """
    logins = _logins()
    known = {user.username for user in logins.users()}
    password = secrets.token_hex(PASSWORD_BYTES)
    logins.add(name, password, role)
    shown = f"{name} is {role} now"
    console.say(shown if name in known else f"{shown}, and logs in as {name}:{password}", "good")
    return 0


@users.command
def remove(name: str) -> int:
    """Take a person's login away; what they decided stays in the ledger under it.

    Args:
        name: the login.
    """
    _logins().remove(name)
    console.say(f"{name} has no login any more", "good")
    return 0


def _logins() -> MlflowLogins:
    settings = load_settings()
    if not settings.mlflow_url:
        raise TrackingError("no MLflow server; start one (assayline up) or set MLFLOW_TRACKING_URI")
    return MlflowLogins(settings)
