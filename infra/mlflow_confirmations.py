"""What a person confirms by their login at MLflow, for one Prefect flow run, and who it was.

MLflow keeps no author of a run or a tag. But it lets only those write in an experiment who have
EDIT or MANAGE on it: so each person that may decide has an experiment of their own, in which
nobody else may write but MLflow's administrators. What stands there for a flow run was written by
that person. It names the one flow run that it is of, so that it can be used for no other.

A form in Prefect's pages cannot tell who fills it in. A person gets a code for it, by their login:
of the code MLflow keeps the SHA-256 alone.
"""

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Final

from infra.errors import TrackingError
from infra.mlflow_logins import CONFIRMATIONS, MlflowLogins, User, writers_of

FLOW_RUN_TAG: Final = "assayline.flow_run"
CODE_TAG: Final = "assayline.code_sha256"
FOR_TAG: Final = "assayline.confirms"


@dataclass(frozen=True)
class Confirmation:
    """That somebody stands for a flow run.

    Attributes:
        user: whose login it was.
        code_sha256: of the code for the form; empty where none was asked for.

    """

    user: User
    code_sha256: str


def new_code() -> str:
    """A code of 80 bits, in letters that a person can copy."""
    return secrets.token_hex(10)


def digest_of_code(code: str) -> str:
    """Its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(code.strip().encode()).hexdigest()


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
    experiment = logins.ensure_experiment(f"{CONFIRMATIONS}{logins.own}")
    tags = {FLOW_RUN_TAG: flow_run, FOR_TAG: what, "mlflow.runName": what}
    if code:
        tags[CODE_TAG] = digest_of_code(code)
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
    named = dict(logins.experiments_named(f"{CONFIRMATIONS}%"))
    if not named:
        return []
    asked = {
        "experiment_ids": sorted(named),
        "filter": f"tags.`{FLOW_RUN_TAG}` = '{flow_run}'",
        "max_results": 100,
    }
    found = logins.ask("POST", "2.0/mlflow/runs/search", json=asked).get("runs", ())
    users = logins.users()
    confirmed = []
    for run in found:
        experiment = run["info"]["experiment_id"]
        tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", ())}
        if user := _whose(logins, experiment, named[experiment], users):
            confirmed.append(Confirmation(user, tags.get(CODE_TAG, "")))
    return confirmed


def _whose(logins: MlflowLogins, experiment: str, name: str, users: list[User]) -> User | None:
    """Whose an experiment is: its only writer; else the administrator that it is named after."""
    writers = writers_of(logins, experiment, users)
    if len(writers) > 1:
        raise TrackingError(
            f"the MLflow experiment {name} at {logins.url} can be written by {', '.join(writers)}, "
            "so that it tells of none of them. Set MLflow's default_permission to READ or "
            "NO_PERMISSIONS, and leave EDIT on it to one user"
        )
    owner = writers[0] if writers else name.removeprefix(CONFIRMATIONS)
    return next(
        (user for user in users if user.username == owner and (writers or user.is_admin)), None
    )
