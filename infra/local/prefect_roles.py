"""People with a role at MLflow, at the embedded Prefect, whose own server knows one login alone.

Who comes with a login of MLflow's, and has a role there, is let through to what the role may do,
by the server's own login:

==========  =======================================================================================
viewer      asks: GET, and the POSTs by which Prefect's pages and client look something up
approver    that, resumes a run that waits for approval, and starts what a person decides: promote,
            rollback, reconcile and canary, by their deployments and with parameters alone
==========  =======================================================================================

Nobody but the owner reaches blocks, which may hold secrets, the server's settings, or what somebody
answered in a form, with their code; nor events and logs by websocket, for which Prefect takes its
own login alone.
"""

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.local.address_filter import answer_forbidden
from infra.local.login import READER
from infra.mlflow_logins import Role

# Where the MLflow is that knows who has which role; unset where it asks no login.
ROLES_VARIABLE: Final = "ASSAYLINE_ROLES_AT"
READING_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# How the paths end by which something is looked up with POST.
LOOK_UPS: Final = (
    "/filter", "/count", "/paginate", "/history", "/lateness", "/count-task-runs",
    "/count-deployments", "/next-runs", "/dashboard/counts", "/api/ui/schemas/validate",
    "/count-by/day", "/count-by/time", "/count-by/event", "/count-by/resource",
)  # fmt: skip
NOT_SHOWN: Final = ("/api/block_", "/api/admin/")
# By which Prefect's page asks whether a login is right.
VERSION: Final = "/api/admin/version"
# What somebody answered in a form, with their code; the page asks for its schema and description.
_INPUTS: Final = re.compile(r"/api/flow_runs/[^/]+/input/(?!.*-(schema|description)$).*", re.DOTALL)
_RESUME: Final = re.compile(r"/api/flow_runs/[0-9a-f-]{36}/resume")
_START: Final = re.compile(r"/api/deployments/([0-9a-f-]{36})/create_flow_run")
# Flows by which a person decides; the entry points of their deployments begin so.
DECISIONS: Final = ("flows/promote.py:", "flows/canary.py:")
# What a run may be given; not where and as what program it runs (job_variables and others), nor the
# tags by which a run is found that waits for approval.
_OF_A_RUN: Final = frozenset(
    {"parameters", "state", "name", "idempotency_key", "labels", "context",
     "enforce_parameter_schema", "empirical_policy"}
)  # fmt: skip
# And of the parameters what a person decides. The others are the line's settings: by another
# on_outside_move a look at a canary, which nobody confirms, would accept what somebody moved by
# hand, and by another feedback_by it would count their labels alone. The form fixes the line.
_OF_A_DECISION: Final = frozenset({"line", "version", "by", "reason", "stop"})
SCHEDULED: Final = "SCHEDULED"
RECONCILE: Final = "flows/promote.py:reconcile"
# For how long MLflow is not asked again; also how long a role that was taken away still counts.
KNOWN_FOR_S: Final = 30.0
TIMEOUT_S: Final = 30.0


class RoleGate:
    """Lets people with a role at MLflow do what that role may, and everybody else pass unchanged.

    Args:
        app: the server, which asks its own login.
        owner: that login, as user:password.
        mlflow_url: where the roles are asked.

    """

    def __init__(self, app: ASGIApp, owner: str, mlflow_url: str) -> None:
        self._app = app
        self._owner = f"Basic {base64.b64encode(owner.encode()).decode()}"
        self._mlflow = httpx.AsyncClient(base_url=mlflow_url, timeout=TIMEOUT_S, trust_env=False)
        self._inside = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://inside", timeout=TIMEOUT_S,
            headers={"Authorization": self._owner},
        )  # fmt: skip
        self._known: dict[str, tuple[Role, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as the owner's where a role may make it, or answer it with 403."""
        login = _login_of(scope) if scope["type"] == "http" else None
        role = await self._role(login) if login and login != self._owner else None
        if role is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        refused = await self._reason_against(role, request)
        if refused:
            await answer_forbidden(send, refused)
            return
        await self._app(self._as_owner(scope), _again(request), send)

    async def _reason_against(self, role: Role, request: Request) -> str:
        path = request.scope["path"]
        if path.startswith(NOT_SHOWN) and path != VERSION:
            return f"a login with the role {role} sees no blocks and no settings of the server"
        if _INPUTS.fullmatch(path):
            return f"a login with the role {role} does not see what others answered"
        if request.method in READING_METHODS or _looks_up(request):
            return ""
        if role == "approver" and request.method == "POST":
            if _RESUME.fullmatch(path):
                return ""
            if started := _START.fullmatch(path):
                return await self._reason_against_start(started[1], await request.body())
        return f"a login with the role {role} may not do this ({request.method} {path})"

    async def _reason_against_start(self, deployment: str, body: bytes) -> str:
        found = await self._inside.get(f"/api/deployments/{deployment}")
        deployed: dict[str, Any] = found.json() if found.is_success else {}
        if not str(deployed.get("entrypoint")).startswith(DECISIONS):
            return "a login with the role approver starts what a person decides, and nothing else"
        try:
            asked = json.loads(body or b"{}")
            given = asked.get("parameters", {})
            given.keys()
            state = (asked.get("state") or {}).get("type", SCHEDULED)
        except (ValueError, AttributeError):
            return "the body, its parameters or its state is no JSON object"
        if state != SCHEDULED:
            return f"a login with the role approver starts no run that is {state}"
        further = sorted(key for key in asked.keys() - _OF_A_RUN if asked[key])
        if further:
            return f"a login with the role approver gives a run no {', '.join(further)}"
        return _reason_against_parameters(given, deployed)

    async def _role(self, login: str) -> Role | None:
        """The role of a login at MLflow; None where it has none, or MLflow does not answer."""
        key = hashlib.sha256(login.encode()).hexdigest()
        known = self._known.get(key)
        if known and known[1] > time.monotonic():
            return known[0]
        self._known.pop(key, None)
        if _user_of(login) == READER:
            return None
        try:
            answer = await self._mlflow.get(
                "/api/3.0/mlflow/users/current/permissions", headers={"Authorization": login}
            )
        except httpx.HTTPError:
            return None
        if not answer.is_success:
            return None
        role = _role_among(row.get("role_name") for row in answer.json()["permissions"])
        if role:
            self._known[key] = (role, time.monotonic() + KNOWN_FOR_S)
        return role

    def _as_owner(self, scope: Scope) -> Scope:
        headers = [(k, v) for k, v in scope["headers"] if k.lower() != b"authorization"]
        return {**scope, "headers": [*headers, (b"authorization", self._owner.encode())]}


def _looks_up(request: Request) -> bool:
    return request.method == "POST" and request.scope["path"].endswith(LOOK_UPS)


def _reason_against_parameters(given: Mapping[str, Any], deployed: Mapping[str, Any]) -> str:
    free = _OF_A_DECISION | ({"on_outside_move"} if deployed["entrypoint"] == RECONCILE else set())
    own: Mapping[str, Any] = deployed.get("parameters") or {}
    others = sorted(key for key in given.keys() - free if given[key] != own.get(key))
    if others:
        return f"the settings of the line say {', '.join(others)}, and not who starts a run"
    return ""


def _role_among(names: Iterable[object]) -> Role | None:
    held = set(names)
    # Who has both decides.
    return next((role for role in get_args(Role) if role in held), None)


def _login_of(scope: Scope) -> str | None:
    """The header of basic authentication, if there is exactly one."""
    found = [v.decode("latin-1") for k, v in scope["headers"] if k.lower() == b"authorization"]
    return found[0] if len(found) == 1 and found[0].lower().startswith("basic ") else None


def _user_of(login: str) -> str:
    try:
        return base64.b64decode(login.partition(" ")[2].strip()).partition(b":")[0].decode()
    except ValueError:
        return ""


def _again(request: Request) -> Receive:
    """What the server reads: a body that was looked at is given once more."""
    body = getattr(request, "_body", None)
    if body is None:
        return request.receive
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return await request.receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
