"""MLflow's users as the directory of who may do what: its own users, roles and permissions.

A person has the role ``approver`` or ``viewer`` (``assayline users add``), which are roles of
MLflow's. What counts for a decision on a line is the permission that MLflow itself resolves for the
registered model of the line's name: EDIT or MANAGE decides, READ looks. So a permission that was
granted in MLflow's own pages, for one line alone for example, counts just the same.
"""

import re
import secrets
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
# How the role of MLflow's is called, with the login behind it, that holds the experiment in which a
# person confirms.
CONFIRMATIONS: Final = "assayline-confirmations-"
# MLflow's only workspace where workspaces are off, which is how it is started.
WORKSPACE: Final = "default"
TIMEOUT_S: Final = 30.0
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Granted(BaseModel):
    """What a role holds."""

    resource_type: str
    resource_pattern: str


class MlflowRole(BaseModel):
    """A role as MLflow has it."""

    id: int
    name: str
    permissions: tuple[Granted, ...] = ()


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
        except NoUsersError:
            self._check_keeps_no_users()
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
        self.ensure_confirmations(name)
        own = f"{CONFIRMATIONS}{name}"
        if own not in held:
            self._assign("assign", name, self._role_named(own, "").id)

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

    def confirmation_experiments(self) -> dict[str, str]:
        """Id of each experiment in which a person confirms, and the login that it is of.

        Roles say so, which only administrators make and change. The rights on an experiment do not:
        who made one may write in it, hand it over to another user, and give up their own right.
        """
        return {
            held.resource_pattern: role.name.removeprefix(CONFIRMATIONS)
            for role in self._roles()
            if role.name.startswith(CONFIRMATIONS)
            for held in role.permissions
            if held.resource_type == EXPERIMENT
        }

    def ensure_confirmations(self, name: str) -> str:
        """The id of the experiment in which a person confirms, made where there is none.

        Raises:
            TrackingError: there is none, and the login that asks is no administrator's.

        """
        role = self._role_named(f"{CONFIRMATIONS}{name}", f"Assayline: where {name} confirms")
        theirs = [
            one.resource_pattern for one in role.permissions if one.resource_type == EXPERIMENT
        ]
        if theirs:
            return theirs[0]
        # MLflow lets everybody make experiments, and so take a name that can be foreseen.
        body = {"name": f"{CONFIRMATIONS}{name}-{secrets.token_hex(4)}"}
        made = self.ask("POST", "2.0/mlflow/experiments/create", json=body)
        self._let_hold(role, EXPERIMENT, str(made["experiment_id"]), "EDIT")
        return str(made["experiment_id"])

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

    def _check_keeps_no_users(self) -> None:
        """Tell a login that something before MLflow asks from an MLflow that cannot list its users.

        Raises:
            TrackingError: it has this one, so that there may be others who decide.

        """
        try:
            self.ask("GET", "2.0/mlflow/users/get", params={"username": self.own})
        except NoUsersError:
            return
        raise TrackingError(
            f"the MLflow server at {self.url} keeps users and does not list them, so that it is "
            "not known who decides; it needs MLflow 3.17 or newer"
        )

    def _roles(self) -> list[MlflowRole]:
        found = self.ask("GET", "3.0/mlflow/roles/list", params={"workspace": WORKSPACE})
        return TypeAdapter(list[MlflowRole]).validate_python(found["roles"])

    def _role_named(self, name: str, description: str) -> MlflowRole:
        """A role, made without permissions where there is none."""
        for one in self._roles():
            if one.name == name:
                return one
        body = {"name": name, "workspace": WORKSPACE, "description": description}
        made = self.ask("POST", "3.0/mlflow/roles/create", json=body)
        return MlflowRole.model_validate(made["role"])

    def _ensure_role(self, role: Role) -> int:
        """The id of a role with its permissions; those that it has are left as they are."""
        found = self._role_named(role, f"Assayline: {role}")
        for kind, permission in () if found.permissions else ROLES[role].items():
            self._let_hold(found, kind, "*", permission)
        return found.id

    def _let_hold(self, role: MlflowRole, kind: str, pattern: str, permission: str) -> None:
        granted = {"role_id": role.id, "resource_type": kind, "resource_pattern": pattern}
        whole = {**granted, "permission": permission}
        self.ask("POST", "3.0/mlflow/roles/permissions/add", json=whole)

    def _assign(self, how: str, name: str, role_id: int) -> None:
        method = "POST" if how == "assign" else "DELETE"
        body = {"username": name, "role_id": role_id}
        self.ask(method, f"3.0/mlflow/roles/{how}", json=body)


class NoUsersError(TrackingError):
    """An MLflow keeps no users: it asks no login, or something before it does."""


def writers_of(logins: MlflowLogins, experiment: str, users: Sequence[User]) -> list[str]:
    """Who may write in an experiment, beside the administrators."""
    return [
        user.username
        for user in users
        if not user.is_admin and logins.permission(user.username, EXPERIMENT, experiment) in WRITES
    ]
