"""What a person confirms by their login at MLflow, for one Prefect flow run, and who it was.

MLflow keeps no author of a run or a tag. But it lets only those write in an experiment who have
EDIT or MANAGE on it: so each person has an experiment of their own, in which nobody else may write
but MLflow's administrators. A role that only they can make says whose it is
(`MlflowLogins.confirmation_experiments`). What stands there for a flow run was written by that
person. It names the one flow run that it is of, so that it can be used for no other.

A form in Prefect's pages cannot tell who fills it in. A person gets a code for it, by their login:
of code, login and flow run together MLflow keeps the SHA-256 alone, which is of no use to who reads
it there.
"""

import hashlib
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from infra.errors import TrackingError
from infra.mlflow_logins import EXPERIMENT, WRITES, MlflowLogins, User

FLOW_RUN_TAG: Final = "assayline.flow_run"
CODE_TAG: Final = "assayline.code_sha256"
FOR_TAG: Final = "assayline.confirms"
# Of one flow run: more than people write.
MAX_CONFIRMATIONS: Final = 10_000


@dataclass(frozen=True)
class Confirmation:
    """That somebody stands for a flow run.

    Attributes:
        user: whose login it was.
        code_sha256: what `digest_of_code` gives of the code for the form; empty where none was
            asked for.

    """

    user: User
    code_sha256: str


def new_code() -> str:
    """A code of 80 bits, in letters that a person can copy."""
    return secrets.token_hex(10)


def digest_of_code(code: str, login: str, flow_run: str) -> str:
    """The SHA-256 of a code that was made for a login and a flow run, in hexadecimal digits."""
    return hashlib.sha256(f"{flow_run}\n{login}\n{code.strip()}".encode()).hexdigest()


def confirm(logins: MlflowLogins, flow_run: str, what: str, code: str = "") -> None:
    """Stand for a flow run by the login of these settings.

    Args:
        logins: by whose login.
        flow_run: id of the Prefect flow run.
        what: for a person who finds it in MLflow.
        code: that the same person types in a form.

    Raises:
        TrackingError: the login may confirm nothing, or MLflow does not answer.

    """
    experiment = logins.ensure_confirmations(logins.own)
    tags = {FLOW_RUN_TAG: flow_run, FOR_TAG: what, "mlflow.runName": what}
    if code:
        tags[CODE_TAG] = digest_of_code(code, logins.own, flow_run)
    body = {
        "experiment_id": experiment,
        "start_time": int(time.time() * 1000),
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    made = logins.ask("POST", "2.0/mlflow/runs/create", json=body)
    ended = {"run_id": made["run"]["info"]["run_id"], "status": "FINISHED"}
    logins.ask("POST", "2.0/mlflow/runs/update", json=ended)


def confirmations_of(logins: MlflowLogins, flow_run: str) -> list[Confirmation]:
    """Who stands for a flow run, as MLflow's permissions tell it.

    Raises:
        TrackingError: the login that asks is no administrator's, or an experiment of confirmations
            can be written by several users, so that it tells nothing.

    """
    owners = logins.confirmation_experiments()
    if not owners:
        return []
    asked = {
        "experiment_ids": sorted(owners),
        "filter": f"tags.`{FLOW_RUN_TAG}` = '{flow_run}'",
        "max_results": MAX_CONFIRMATIONS,
    }
    found = logins.ask("POST", "2.0/mlflow/runs/search", json=asked).get("runs", ())
    users = {user.username: user for user in logins.users()}
    confirmed = []
    for run in found:
        experiment = run["info"]["experiment_id"]
        tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", ())}
        if user := users.get(owners[experiment]):  # else their login was taken away
            _check_nobody_else_writes(logins, experiment, user, users.values())
            confirmed.append(Confirmation(user, tags.get(CODE_TAG, "")))
    return confirmed


def _check_nobody_else_writes(
    logins: MlflowLogins, experiment: str, owner: User, users: Iterable[User]
) -> None:
    others = [
        user.username
        for user in users
        if user != owner
        and not user.is_admin
        and logins.permission(user.username, EXPERIMENT, experiment) in WRITES
    ]
    if others:
        raise TrackingError(
            f"the MLflow experiment {experiment} at {logins.url}, in which {owner.username} "
            f"confirms, can be written by {', '.join(others)} too, so that it tells of none of "
            "them. Set MLflow's default_permission to READ or NO_PERMISSIONS, and take their EDIT "
            "on it away"
        )
