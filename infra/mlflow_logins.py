"""MLflow's users as the directory of who may do what: its own users, roles and permissions.

A person has the role ``approver`` or ``viewer`` (``assayline users add``), which are roles of
MLflow's. What counts for a decision on a line is the permission that MLflow itself resolves for the
registered model of the line's name: EDIT or MANAGE decides, READ looks. So a permission that was
granted in MLflow's own pages, for one line alone for example, counts just the same.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import httpx
from pydantic import BaseModel, TypeAdapter

from infra.errors import SettingsError, TrackingAwayError, TrackingError
from infra.settings import Settings

Role = Literal["approver", "viewer"]
MODEL: Final = "registered_model"
EXPERIMENT: Final = "experiment"
# What each role of MLflow's holds, on all resources of a kind.
ROLES: Final[Mapping[Role, Mapping[str, str]]] = {
    "approver": {MODEL: "EDIT", EXPERIMENT: "READ"},
    "viewer": {MODEL: "READ", EXPERIMENT: "READ"},
}
WRITES: Final = frozenset({"EDIT", "MANAGE"})
# Each person that may decide has an experiment of this name and their login.
CONFIRMATIONS: Final = "assayline-confirmations-"
# MLflow's only workspace where workspaces are off, which is how it is started.
WORKSPACE: Final = "default"
TIMEOUT_S: Final = 30.0
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class MlflowRole(BaseModel):
    """A role as MLflow has it."""

    id: int
    name: str


class User(BaseModel):
    """A user as MLflow has them; ``is_admin`` may do everything."""

    username: str
    is_admin: bool = False
    roles: tuple[MlflowRole, ...] = ()

    @property
    def role(self) -> str:
        """In a word: ``administrator``, ``approver``, ``viewer``, or empty where it is no role."""
        if self.is_admin:
            return "administrator"
        held = {role.name for role in self.roles}
        return next((role for role in ROLES if role in held), "")


class MlflowLogins:
    """The users of one MLflow server, asked by the login of these settings.

    Args:
        settings: MLflow's address, and the login that asks.

    """

    def __init__(self, settings: Settings) -> None:
        self.url = (settings.mlflow_url or "").rstrip("/")
        self.own = settings.mlflow_user or ""
        reader = settings.mlflow_reader.get_secret_value() if settings.mlflow_reader else ""
        self._reader = reader.partition(":")[0]
        password = settings.mlflow_password.get_secret_value() if settings.mlflow_password else ""
        self._client = httpx.Client(
            base_url=self.url,
            auth=(self.own, password) if self.own else None,
            timeout=TIMEOUT_S,
            trust_env=httpx.URL(self.url).host not in _LOOPBACK,
        )

    def users(self) -> list[User]:
        """All users but the one that services load models by; none where MLflow has no users.

        Raises:
            TrackingError: MLflow does not answer, or refuses the login.

        """
        if not self.own:
            return []
        try:
            found = self.ask("GET", "2.0/mlflow/users/list")
        except NoUsersError:  # a login that something before MLflow asks, which keeps its users
            return []
        users = TypeAdapter(list[User]).validate_python(found["users"])
        return [user for user in users if user.username != self._reader]

    def permission(self, user: str, kind: str, resource: str) -> str:
        """What MLflow lets a user do with a resource: READ, USE, EDIT, MANAGE or less.

        Raises:
            TrackingError: the login that asks may not know this of another user.

        """
        asked = {"username": user, "resource_type": kind, "resource_id": resource}
        found = self.ask("GET", "3.0/mlflow/users/permissions/get", params=asked)
        return str(found["permission"])

    def may_decide(self, user: User, line: str) -> bool:
        """Whether a user may decide on a line."""
        return user.is_admin or self.permission(user.username, MODEL, line) in WRITES

    def add(self, name: str, password: str, role: Role) -> None:
        """Make a user with a role, or give another role to one that is there.

        The password of a user that is there stays as it is.

        Raises:
            SettingsError: the name is none that a login may have, or an administrator's.
            TrackingError: MLflow refuses; for example the login that asks is no administrator's.

        """
        if not _NAME.fullmatch(name) or name in {self._reader, "policy", "unknown"}:
            raise SettingsError(
                f"a login is made of letters, digits and . _ @ - and is none that the stack uses "
                f"itself; seen: {name!r}"
            )
        known = {user.username: user for user in self.users()}
        if name in known and known[name].is_admin:
            raise SettingsError(f"{name} is an administrator of MLflow, who may do everything")
        if name not in known:
            body = {"username": name, "password": password}
            self.ask("POST", "2.0/mlflow/users/create", json=body)
        held = {one.name: one.id for one in known[name].roles} if name in known else {}
        for other in ROLES.keys() - {role}:
            if other in held:
                self._assign("unassign", name, held[other])
        if role not in held:
            self._assign("assign", name, self._ensure_role(role))
        self._let_confirm(name, allowed=role == "approver")

    def remove(self, name: str) -> None:
        """Remove a user; what they decided stays in the ledger.

        Raises:
            SettingsError: there is no such user, or it is an administrator.

        """
        known = {user.username: user for user in self.users()}
        if name not in known or known[name].is_admin:
            listed = ", ".join(sorted(n for n, user in known.items() if not user.is_admin))
            raise SettingsError(
                f"{name} is no user that can be removed here; there are: {listed or 'none'}"
            )
        self.ask("DELETE", "2.0/mlflow/users/delete", json={"username": name})

    def ensure_experiment(self, name: str) -> str:
        """The id of an experiment, made where there is none.

        Raises:
            TrackingError: MLflow refuses, for example since somebody deleted it there.

        """
        found = self.experiments_named(name)
        if found:
            return found[0][0]
        made = self.ask("POST", "2.0/mlflow/experiments/create", json={"name": name})
        return str(made["experiment_id"])

    def experiments_named(self, pattern: str) -> list[tuple[str, str]]:
        """Id and name of the experiments whose name is like a pattern (SQL's LIKE)."""
        asked = {"filter": f"name LIKE '{pattern}'", "max_results": 1_000}
        found = self.ask("POST", "2.0/mlflow/experiments/search", json=asked)
        return [(one["experiment_id"], one["name"]) for one in found.get("experiments", ())]

    def ask(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        """One request.

        Raises:
            NoUsersError: this MLflow has no such path, as one that keeps no users.
            TrackingError: it does not answer, or refuses.

        """
        try:
            answer = self._client.request(method, f"/api/{path}", **what)
        except httpx.HTTPError as error:
            raise TrackingAwayError(
                f"the MLflow server at {self.url} does not answer ({error!r}); start it "
                "(assayline up) or set MLFLOW_TRACKING_URI to the one that runs"
            ) from error
        if answer.status_code == httpx.codes.NOT_FOUND and "error_code" not in answer.text:
            raise NoUsersError(
                f"the MLflow server at {self.url} keeps no users and roles; it needs `mlflow "
                "server --app-name basic-auth` of MLflow 3.17 or newer"
            )
        if not answer.is_success:
            raise TrackingError(
                f"the MLflow server at {self.url} refuses this to {self.own or 'no login'} "
                f"({answer.status_code}): {answer.text[:300].strip()}"
            )
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def _ensure_role(self, role: Role) -> int:
        """The id of a role with its permissions; one that is there is left as it is."""
        found = self.ask("GET", "3.0/mlflow/roles/list", params={"workspace": WORKSPACE})
        for one in TypeAdapter(list[MlflowRole]).validate_python(found["roles"]):
            if one.name == role:
                return one.id
        body = {"name": role, "workspace": WORKSPACE, "description": f"Assayline: {role}"}
        made = MlflowRole.model_validate(
            self.ask("POST", "3.0/mlflow/roles/create", json=body)["role"]
        )
        for kind, permission in ROLES[role].items():
            granted = {"role_id": made.id, "resource_type": kind, "resource_pattern": "*"}
            whole = {**granted, "permission": permission}
            self.ask("POST", "3.0/mlflow/roles/permissions/add", json=whole)
        return made.id

    def _assign(self, how: str, name: str, role_id: int) -> None:
        method = "POST" if how == "assign" else "DELETE"
        body = {"username": name, "role_id": role_id}
        self.ask(method, f"3.0/mlflow/roles/{how}", json=body)

    def _let_confirm(self, name: str, *, allowed: bool) -> None:
        """Give a person the experiment in which nobody else may write, or take the right away."""
        if not allowed and not self.experiments_named(f"{CONFIRMATIONS}{name}"):
            return
        experiment = self.ensure_experiment(f"{CONFIRMATIONS}{name}")
        body = {"username": name, "resource_type": EXPERIMENT, "resource_id": experiment}
        if allowed:
            whole = {**body, "permission": "EDIT"}
            self.ask("POST", "3.0/mlflow/users/permissions/grant", json=whole)
        elif self.permission(name, EXPERIMENT, experiment) in WRITES:
            self.ask("POST", "3.0/mlflow/users/permissions/revoke", json=body)


class NoUsersError(TrackingError):
    """An MLflow keeps no users: it asks no login, or something before it does."""


def writers_of(logins: MlflowLogins, experiment: str, users: Sequence[User]) -> list[str]:
    """Who may write in an experiment, beside the administrators."""
    return [
        user.username
        for user in users
        if not user.is_admin and logins.permission(user.username, EXPERIMENT, experiment) in WRITES
    ]
