"""The Prefect server over its REST API: what must stand on it, its workers and deployments.

`assayline up` and `status` use this in place of Prefect's own client, whose import alone takes
longer than a look at a running stack may take, and which makes a profile in the user's home.
Runs are started and followed by Prefect's client (flows/commands/runs.py).
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from pydantic import BaseModel, TypeAdapter
from tenacity import (
    Retrying,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from infra.errors import StackError
from infra.settings import Settings

GPU_LIMIT = "gpu"  # the concurrency limit that a run holds a slot of while it trains and scores
# Prefect's own name for the state of a run that waits for a slot.
AWAITS_SLOT = "AwaitingConcurrencySlot"
# Prefect's name for the state of a run whose time has not come, or came some seconds ago.
PLANNED = "Scheduled"
# A run that waits for another of its deployment is planned anew, half a minute ahead.
DUE_WITHIN = timedelta(minutes=2)
PAUSED = "PAUSED"  # type of the state of a run that is suspended
# Types of states in which a flow run has ended.
FINAL_STATES = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
PAGE = 200  # the server's own limit for one answer
TRIES = 6
LOOK_TIMEOUT_S = 30.0
# On SQLite a writer waits up to 60 s for another, in the server or, where it answers 503, here.
CHANGE_TIMEOUT_S = 75.0
BUSY = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Deployment(BaseModel):
    """A registered deployment."""

    id: UUID
    name: str
    flow_id: UUID
    entrypoint: str | None = None
    parameter_openapi_schema: Mapping[str, Any] = {}
    parameters: Mapping[str, Any] = {}


class WorkPool(BaseModel):
    """A work pool, and how many of its runs may be under way at once (None: any number)."""

    name: str
    type: str = "process"
    is_paused: bool = False
    concurrency_limit: int | None = None


class Worker(BaseModel):
    """A worker as the server knows it."""

    name: str
    status: str
    last_heartbeat_time: datetime | None = None


class FlowRunState(BaseModel):
    """The state that a flow run is in, and since when."""

    type: str
    timestamp: datetime
    name: str = ""
    message: str | None = None
    state_details: Mapping[str, Any] = {}

    @property
    def waits_until(self) -> str | None:
        """Up to when a suspended run can be resumed, ISO 8601; None where there is no end."""
        return self.state_details.get("pause_timeout")


class FlowRun(BaseModel):
    """A flow run as the server knows it."""

    id: UUID
    name: str
    state: FlowRunState
    tags: tuple[str, ...] = ()
    labels: Mapping[str, Any] = {}
    auto_scheduled: bool = False
    infrastructure_pid: str | None = None
    deployment_id: UUID | None = None
    created: datetime | None = None
    start_time: datetime | None = None
    parameters: Mapping[str, Any] = {}
    empirical_policy: Mapping[str, Any] = {}

    @property
    def was_suspended(self) -> bool:
        """Whether it has asked a person, and goes on from there where it is resumed."""
        return bool(self.empirical_policy.get("pause_keys"))


class TaskRun(BaseModel):
    """A task run as the server knows it."""

    id: UUID
    name: str
    flow_run_id: UUID
    start_time: datetime | None = None


class Progress(BaseModel):
    """The bar on a run's page that shows how far one of its task runs is, in per cent."""

    flow_run_id: UUID
    task_run_id: UUID | None = None
    data: float
    description: str | None = None


class Limit(BaseModel):
    """A concurrency limit, and how many of its slots the server's database takes for held."""

    id: UUID
    name: str
    limit: int = 0
    active_slots: int
    slot_decay_per_second: float = 0.0


class PrefectApi:
    """One Prefect server."""

    def __init__(self, settings: Settings) -> None:
        """Raise StackError where no server is set."""
        if not settings.prefect_url:
            raise StackError("no Prefect server; start one (assayline up) or set PREFECT_API_URL")
        self.url = settings.prefect_url.rstrip("/")
        self._client = httpx.Client(
            base_url=self.url,
            headers=_authorization(settings),
            timeout=LOOK_TIMEOUT_S,
            # A proxy of the environment cannot reach this machine's loopback.
            trust_env=httpx.URL(self.url).host not in LOOPBACK,
        )

    def is_healthy(self) -> bool:
        """Whether the server answers, and says that it is well."""
        try:
            return self._client.get("/health", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def check(self) -> None:
        """Ask the server how it is.

        Raises:
            StackError: it does not answer.

        """
        if not self.is_healthy():
            raise StackError(self._unreachable())

    def ensure_work_pool(self, name: str) -> None:
        """Make the pool of process workers unless it exists; its worker fills in the template."""
        if self._get_or_none(f"/work_pools/{name}") is None:
            self._post("/work_pools/", {"name": name, "type": "process"}, may_exist=True)

    def set_template(self, name: str, kind: str, template: Mapping[str, Any]) -> None:
        """Make a work pool, or give the one that is there this template of its jobs.

        Args:
            name: of the pool.
            kind: Prefect's type of its workers, for example `kubernetes`.
            template: as `prefect work-pool create --base-job-template` takes it.

        Raises:
            StackError: there is a pool of this name and another type, or the server refuses it.

        """
        standing = self.work_pool(name)
        body = {"base_job_template": template}
        if standing is None:
            self._post("/work_pools/", {"name": name, "type": kind, **body})
            return
        if standing.type != kind:
            raise StackError(
                f"the work pool {name} of {self.url} is of type {standing.type}, and {kind} is "
                f"wanted; delete it there (`prefect work-pool delete {name}`), or use another "
                "Prefect server"
            )
        with self._explained("the template of a work pool"):
            self._send("PATCH", f"/work_pools/{name}", body).raise_for_status()

    def ensure_limit(self, name: str, slots: int) -> None:
        """Make a global concurrency limit unless it exists; its size may be changed in the UI."""
        if self._get_or_none(f"/v2/concurrency_limits/{name}") is None:
            body = {"name": name, "limit": slots, "active": True}
            self._post("/v2/concurrency_limits/", body, may_exist=True)

    def resize_limit(self, name: str, slots: int) -> None:
        """Give a global concurrency limit another number of slots."""
        with self._explained("the size of a concurrency limit"):
            path = f"/v2/concurrency_limits/{name}"
            self._send("PATCH", path, {"limit": slots}).raise_for_status()

    def limit(self, name: str) -> Limit | None:
        """One concurrency limit; None where there is none of this name."""
        found = self._get_or_none(f"/v2/concurrency_limits/{name}")
        return None if found is None else Limit.model_validate(found)

    def limits(self) -> list[Limit]:
        """All concurrency limits."""
        found = self._pages("/v2/concurrency_limits/filter", {})
        return TypeAdapter(list[Limit]).validate_python(found)

    def free_slots(self, limit: Limit, slots: int) -> None:
        """Give slots back that nobody holds a lease of."""
        self._post("/v2/concurrency_limits/decrement", {"names": [limit.name], "slots": slots})

    def release_lease(self, lease_id: UUID) -> None:
        """Give the slots of a lease back; nothing happens where it is gone."""
        body = {"lease_id": str(lease_id)}
        with self._explained("the release of a lease"):
            path = "/v2/concurrency_limits/decrement-with-lease"
            self._send("POST", path, body).raise_for_status()

    def flow_runs(self, pool: str, states: Iterable[str]) -> list[FlowRun]:
        """The flow runs of a work pool that are in one of these types of states."""
        body = {
            "work_pools": {"name": {"any_": [pool]}},
            "flow_runs": {"state": {"type": {"any_": sorted(states)}}},
        }
        return self._all_flow_runs(body)

    def flow_runs_named(self, name: str) -> list[FlowRun]:
        """The runs of this name, the latest first; a flow may give all of its runs one name."""
        return self._latest_flow_runs({"flow_runs": {"name": {"any_": [name]}}})

    def flow_runs_tagged(self, *tags: str, of: Iterable[Deployment] | None = None) -> list[FlowRun]:
        """The runs that carry all of these tags and have begun or wait to, the latest first.

        Args:
            tags: of a run.
            of: deployments, if the runs of these alone are meant.

        """
        due = (datetime.now(UTC) + DUE_WITHIN).isoformat()
        wanted = {"tags": {"all_": list(tags)}, "expected_start_time": {"before_": due}}
        ids = {"id": {"any_": sorted(str(one.id) for one in of)}} if of is not None else None
        return self._latest_flow_runs(
            {"flow_runs": wanted, **({"deployments": ids} if ids else {})}
        )

    def _latest_flow_runs(self, wanted: Mapping[str, Any]) -> list[FlowRun]:
        latest = {"sort": "EXPECTED_START_TIME_DESC", "limit": PAGE}
        return TypeAdapter(list[FlowRun]).validate_python(
            self._post("/flow_runs/filter", {**wanted, **latest})
        )

    def due_flow_runs(self, pool: str) -> list[FlowRun]:
        """The flow runs of a work pool that should have begun, or are to at once, and have not."""
        due = (datetime.now(UTC) + DUE_WITHIN).isoformat()
        body = {
            "work_pools": {"name": {"any_": [pool]}},
            "flow_runs": {
                "state": {"type": {"any_": ["SCHEDULED"]}},
                "next_scheduled_start_time": {"before_": due},
            },
        }
        # What a schedule planned, and is not late, waits for its hour alone.
        return [
            run
            for run in self._all_flow_runs(body)
            if not (run.auto_scheduled and run.state.name == PLANNED)
        ]

    def _all_flow_runs(self, wanted: Mapping[str, Any]) -> list[FlowRun]:
        found = self._pages("/flow_runs/filter", wanted)
        return TypeAdapter(list[FlowRun]).validate_python(found)

    def running_task_runs(self, runs: Iterable[FlowRun]) -> list[TaskRun]:
        """What these flow runs do now."""
        body = {
            "flow_runs": {"id": {"any_": [str(run.id) for run in runs]}},
            "task_runs": {"state": {"type": {"any_": ["RUNNING"]}}},
        }
        return TypeAdapter(list[TaskRun]).validate_python(self._pages("/task_runs/filter", body))

    def progress(self, runs: Iterable[FlowRun]) -> list[Progress]:
        """How far these flow runs are, where they show it."""
        wanted = {
            "flow_run_id": {"any_": [str(run.id) for run in runs]},
            "type": {"any_": ["progress"]},
        }
        found = self._pages("/artifacts/filter", {"artifacts": wanted})
        return TypeAdapter(list[Progress]).validate_python(found)

    def cancel_flow_run(self, run_id: UUID) -> None:
        """Ask for the end of a flow run; one that has not begun is cancelled at once.

        Raises:
            StackError: it has ended, or the server refuses.

        """
        wanted = {"type": "CANCELLING", "name": "Cancelling"}
        answer = self._post(f"/flow_runs/{run_id}/set_state", {"state": wanted})
        if answer["status"] == "ABORT":
            raise StackError(
                f"Prefect cancels the run {run_id} no more: {answer['details'].get('reason')}"
            )

    def resume_flow_run(self, run_id: UUID, run_input: Mapping[str, Any]) -> None:
        """Have a suspended run go on with what its form asks, as Prefect's UI does.

        Raises:
            StackError: it is not suspended, its time is over, or the form takes no such input.

        """
        answer = self._post(f"/flow_runs/{run_id}/resume", {"run_input": dict(run_input)})
        if answer["status"] != "ACCEPT":
            raise StackError(
                f"Prefect does not resume the run {run_id}: {answer['details'].get('reason')}"
            )

    def answer_of(self, run_id: UUID, key: str) -> Mapping[str, Any] | None:
        """What somebody entered in the form of a suspended run; None where nobody has.

        Prefect keeps it after the run went on, and also where the run ended then.

        Args:
            run_id: of the flow run.
            key: that it was suspended with.

        """
        found = self._get_or_none(f"/flow_runs/{run_id}/input/suspended-{key}-response")
        answer = json.loads(found) if isinstance(found, str) else found
        return answer if isinstance(answer, dict) else None

    def work_pool(self, name: str) -> WorkPool | None:
        """One work pool; None where there is none of this name."""
        found = self._get_or_none(f"/work_pools/{name}")
        return None if found is None else WorkPool.model_validate(found)

    def flow_run(self, run_id: UUID) -> FlowRun | None:
        """One flow run; None where there is none of this id."""
        found = self._get_or_none(f"/flow_runs/{run_id}")
        return None if found is None else FlowRun.model_validate(found)

    def runs_of(self, deployments: Iterable[Deployment], states: Iterable[str]) -> list[FlowRun]:
        """The flow runs of these deployments that are in one of these types of states."""
        ids = sorted(str(deployment.id) for deployment in deployments)
        if not ids:
            return []
        body = {
            "deployments": {"id": {"any_": ids}},
            "flow_runs": {"state": {"type": {"any_": sorted(states)}}},
        }
        return self._all_flow_runs(body)

    def about_to_begin(
        self, deployment: Deployment, within: timedelta = DUE_WITHIN
    ) -> list[FlowRun]:
        """The runs of a deployment that have not begun, and will, so that they see what is now.

        One that somebody planned for later is none of them, nor one that was suspended and goes on.

        Args:
            deployment: of the runs.
            within: how soon they are to begin.

        """
        due = (datetime.now(UTC) + within).isoformat()
        wanted = {
            "state": {"type": {"any_": ["SCHEDULED", "PENDING"]}},
            "expected_start_time": {"before_": due},
        }
        body = {"deployments": {"id": {"any_": [str(deployment.id)]}}, "flow_runs": wanted}
        return [run for run in self._all_flow_runs(body) if not run.was_suspended]

    def start_once(
        self, deployment: Deployment, key: str, tags: Iterable[str] = ()
    ) -> tuple[FlowRun, bool]:
        """Ask for a run of a deployment now, unless one was asked for with this key before.

        Args:
            deployment: whose parameters the run has.
            key: Prefect's idempotency key.
            tags: beside those of the deployment.

        Returns:
            The run, and whether it is a new one.

        """
        path = f"/deployments/{deployment.id}/create_flow_run"
        with self._explained(path):
            answer = self._send("POST", path, {"idempotency_key": key, "tags": list(tags)})
            answer.raise_for_status()
        made = FlowRun.model_validate(answer.json())
        return made, answer.status_code == httpx.codes.CREATED

    def start_run(
        self,
        deployment: Deployment,
        parameters: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> UUID:
        """Ask for a run of a deployment now.

        Args:
            deployment: of the run.
            parameters: over those that the deployment has.
            variables: environment of the run's process, beside that of its worker.

        """
        body: dict[str, Any] = {
            "parameters": dict(parameters or {}),
            "idempotency_key": str(uuid4()),  # a request that is sent again starts one run
        }
        if variables:
            body["job_variables"] = {"env": dict(variables)}
        with self._explained(f"a run of {deployment.name}"):
            answer = self._send("POST", f"/deployments/{deployment.id}/create_flow_run", body)
            return UUID(answer.raise_for_status().json()["id"])

    def end_flow_run(self, run_id: UUID, state: str, message: str) -> None:
        """Put a flow run that cannot report itself any more into a final state."""
        wanted = {"type": state, "name": state.capitalize(), "message": message}
        self._post(f"/flow_runs/{run_id}/set_state", {"state": wanted})

    def block(self, block_type: str, name: str) -> Mapping[str, Any] | None:
        """A block's content, secrets included; None where there is none of this name."""
        found = self._get_or_none(
            f"/block_types/slug/{block_type}/block_documents/name/{name}?include_secrets=true"
        )
        return None if found is None else found["data"]

    def has_block_type(self, slug: str) -> bool:
        """Whether the server knows a type of blocks."""
        return self._get_or_none(f"/block_types/slug/{slug}") is not None

    def delete_block(self, block_type: str, name: str) -> None:
        """Remove a block, if there is one of this name."""
        found = self._get_or_none(f"/block_types/slug/{block_type}/block_documents/name/{name}")
        if found is not None:
            with self._explained("the removal of a block"):
                answer = self._send("DELETE", f"/block_documents/{found['id']}")
                if answer.status_code != httpx.codes.NOT_FOUND:
                    answer.raise_for_status()

    def workers(self, pool: str) -> list[Worker]:
        """All workers that have served a pool."""
        found = self._post(f"/work_pools/{pool}/workers/filter", {})
        return TypeAdapter(list[Worker]).validate_python(found)

    def deployment(self, name: str) -> Deployment | None:
        """One deployment by its name as `flow/name`; None where there is none."""
        found = self._get_or_none(f"/deployments/name/{name}")
        return None if found is None else Deployment.model_validate(found)

    def deployments(self) -> dict[str, Deployment]:
        """All deployments by `flow/name`."""
        rows = TypeAdapter(list[Deployment]).validate_python(self._pages("/deployments/filter", {}))
        if not rows:
            return {}
        flow_ids = sorted({str(row.flow_id) for row in rows})
        flows = self._pages("/flows/filter", {"flows": {"id": {"any_": flow_ids}}})
        names = {flow["id"]: flow["name"] for flow in flows}
        return {f"{names[str(row.flow_id)]}/{row.name}": row for row in rows}

    def delete_deployment(self, deployment: Deployment) -> None:
        """Remove a deployment with its schedules."""
        with self._explained("the removal of a deployment"):
            answer = self._send("DELETE", f"/deployments/{deployment.id}")
            if answer.status_code != httpx.codes.NOT_FOUND:
                answer.raise_for_status()

    def set_parameter_schema(self, deployment: Deployment, schema: Mapping[str, Any]) -> None:
        """Say what parameters a deployment admits, by which its form is made, too."""
        with self._explained("the parameters of a deployment"):
            body = {"parameter_openapi_schema": schema}
            self._send("PATCH", f"/deployments/{deployment.id}", body).raise_for_status()

    def _get_or_none(self, path: str) -> Any:
        with self._explained(path):
            answer = self._send("GET", path)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            return answer.raise_for_status().json()

    def _post(self, path: str, body: Mapping[str, Any], *, may_exist: bool = False) -> Any:
        with self._explained(path):
            answer = self._send("POST", path, body)
            if may_exist and answer.status_code == httpx.codes.CONFLICT:
                return None
            return answer.raise_for_status().json()

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """Ask again while the server is busy: on SQLite it answers 503 when two writers meet.

        Some changes wait for the database there, and some are answered with 503 at once.
        """
        is_look = method == "GET" or path.endswith("/filter")
        asking = Retrying(
            retry=retry_if_result(lambda answer: answer.status_code in BUSY),
            stop=stop_after_attempt(TRIES) if is_look else stop_after_delay(CHANGE_TIMEOUT_S),
            wait=wait_random_exponential(multiplier=0.2, max=3),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        timeout = LOOK_TIMEOUT_S if is_look else CHANGE_TIMEOUT_S
        answer: httpx.Response = asking(
            self._client.request, method, path, json=body, timeout=timeout
        )
        return answer

    def _pages(self, path: str, body: Mapping[str, Any]) -> list[Any]:
        rows: list[Any] = []
        while True:
            page = self._post(path, {**body, "limit": PAGE, "offset": len(rows)})
            rows += page
            if len(page) < PAGE:
                return rows

    def _unreachable(self) -> str:
        return (
            f"the Prefect server at {self.url} does not answer; start it (assayline up) or set "
            "PREFECT_API_URL to the one that runs"
        )

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn every way in which the server can fail into one message."""
        try:
            yield
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.UNAUTHORIZED:
                raise StackError(no_login(self.url)) from error
            raise StackError(
                f"the Prefect server at {self.url} refuses {what}: "
                f"{error.response.status_code} {error.response.text[:500]}"
            ) from error
        except httpx.HTTPError as error:
            raise StackError(self._unreachable()) from error


def is_away(error: httpx.HTTPError) -> bool:
    """Whether the server may answer later, and has not refused what it was asked."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError)


def no_login(url: str) -> str:
    """What to tell who is not let in."""
    return (
        f"the Prefect server at {url} asks a login and refuses that of this process; `assayline "
        "up` gives one for the server that it starts, and for another set PREFECT_API_AUTH_STRING "
        "or PREFECT_API_KEY"
    )


def _authorization(settings: Settings) -> dict[str, str]:
    """The header that lets this process in, as Prefect's own client sends it."""
    if settings.prefect_login:
        login = settings.prefect_login.get_secret_value()
        return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    key = os.environ.get("PREFECT_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}
