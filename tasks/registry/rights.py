"""Who decides: the login behind a decision, and whether it may decide on the line.

Where MLflow has one login alone, whoever can start a flow has it: the decision is that login's.
Where it has users beside it, each decision is confirmed by the login of a person
(`infra.mlflow_confirmations`), who needs EDIT or MANAGE on the line's registered model. What is not
confirmed is refused. Where MLflow keeps no users nothing is known but the name that was given.
"""

import hmac
import time
from typing import Final

from infra.errors import PromotionError
from infra.mlflow_confirmations import confirmations_of, digest_of_code
from infra.mlflow_logins import MODEL, MlflowLogins, User

# A command starts the flow first, and confirms what it started.
PATIENCE_S: Final = 30.0
_LOOK_EVERY_S: Final = 1.0
_NOT_CONFIRMED: Final = (
    "nobody confirmed this decision on {line} by a login at MLflow, and there are several, so that "
    "it is not known who decides. Nothing was moved; decide with the command (`assayline "
    "{command}`), which confirms it by your login, MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD"
)
_MAY_NOT: Final = (
    "{login} may not decide on {line}: MLflow gives them {permission} on the registered model "
    "{line}, and EDIT or MANAGE is asked. Nothing was moved; an administrator changes that by "
    "`assayline users add {login} --role approver`, or on MLflow's own page of permissions"
)


def login_behind(
    line: str, flow_run: str, command: str, logins: MlflowLogins, patience_s: float = PATIENCE_S
) -> str:
    """The login behind a flow run that is to move a line.

    Args:
        line: the model line.
        flow_run: id of the Prefect flow run.
        command: that a person calls for it, for the message.
        logins: of MLflow, asked by the worker's login.
        patience_s: how long a confirmation is waited for.

    Returns:
        Empty where MLflow keeps no users.

    Raises:
        PromotionError: nobody confirmed it, or somebody who may not decide on the line.
        TrackingError: MLflow does not answer, or the worker's login may not ask this.

    """
    sole = _sole_login(logins)
    if sole is not None:
        return sole
    deadline = time.monotonic() + patience_s
    # A code is for the form of a run that waits. Somebody may have this run pass for such a one.
    while not (found := [one for one in confirmations_of(logins, flow_run) if not one.code_sha256]):
        if time.monotonic() >= deadline:
            raise PromotionError(_NOT_CONFIRMED.format(line=line, command=command))
        time.sleep(_LOOK_EVERY_S)
    # Somebody who may only look can confirm what is not theirs, and is in nobody's way by that.
    users = [one.user for one in found]
    return _allowed(line, next((u for u in users if logins.may_decide(u, line)), users[0]), logins)


def login_of_code(line: str, flow_run: str, code: str, logins: MlflowLogins) -> str:
    """The login of the person that a code for a form was made for; as `login_behind` else.

    Raises:
        PromotionError: no code was given, it is none of this flow run, or its owner may not decide.

    """
    sole = _sole_login(logins)
    if sole is not None:
        return sole
    for found in confirmations_of(logins, flow_run) if code.strip() else ():
        digest = digest_of_code(code, found.user.username, flow_run)
        if hmac.compare_digest(found.code_sha256, digest):
            return _allowed(line, found.user, logins)
    what = "this code is none of this run" if code.strip() else "no code was given"
    raise PromotionError(
        f"{what}, and MLflow has several logins, so that it is not known who decides on {line}. "
        f"`assayline approval-code {flow_run}` gives you one by your login"
    )


def is_only_login(logins: MlflowLogins) -> bool:
    """Whether nobody needs to be told apart."""
    return _sole_login(logins) is not None


def check_may_decide(line: str, logins: MlflowLogins) -> None:
    """Refuse at once who may not decide on a line, by the login of the settings.

    Raises:
        PromotionError: MLflow lets this login look, and not decide.

    """
    own = next((user for user in logins.users() if user.username == logins.own), None)
    if own is not None:
        _allowed(line, own, logins)


def _sole_login(logins: MlflowLogins) -> str | None:
    """The login that everybody has who has any; empty where MLflow keeps no users."""
    users = logins.users()
    if all(user.username == logins.own for user in users):
        return logins.own if users else ""
    return None


def _allowed(line: str, user: User, logins: MlflowLogins) -> str:
    if not logins.may_decide(user, line):
        permission = logins.permission(user.username, MODEL, line)
        raise PromotionError(_MAY_NOT.format(login=user.username, line=line, permission=permission))
    return user.username
