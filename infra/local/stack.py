"""Up, down and status of the stack: what this machine runs, and what the user runs elsewhere."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from infra.errors import StackError
from infra.local import health
from infra.local.abandoned import free_slots_without_holder
from infra.local.deployments import Registration
from infra.local.login import Login, login_of, with_login
from infra.local.mlflow_users import ensure_reader
from infra.local.mlflow_webhooks import ensure_webhook, remove_webhook
from infra.local.orphans import sweep
from infra.local.parts import (
    HOST,
    LOGIN_CONFIG,
    WORK_POOL,
    Part,
    certificate_file,
    logging_config,
    logging_file,
    mlflow_login_config,
    mlflow_part,
    one_certificate,
    prefect_part,
    store_part,
    webhook_part,
    worker_name,
    worker_part,
)
from infra.local.prefect_setup import register_deployments, set_up_prefect
from infra.local.private_files import (
    KEYS_FILE,
    as_env_file,
    locked,
    make_folder,
    store_keys,
    write_private,
)
from infra.local.start import Arrival, Progress, Start
from infra.local.status import PartStatus, external_status, local_status
from infra.local.supervision import Supervisor
from infra.local.webhook_delivery import PATH
from infra.local.webhook_keys import webhook_keys
from infra.prefect_api import PrefectApi
from infra.result_signatures import result_key
from infra.running_stacks import no_longer, remember
from infra.settings import (
    PART_VARIABLES,
    STACK_ENV_FILE,
    Settings,
    StackSettings,
    external_parts,
)
from infra.store import ObjectStore

logger = logging.getLogger(__name__)

SERVERS = ("store", "mlflow", "prefect")


@dataclass(frozen=True)
class Running:
    """A stack that is up: how to reach it, and prefect.yaml's deployments if there is that file."""

    settings: Settings
    registration: Registration | None


class Stack:
    """All parts of one home folder."""

    def __init__(self, settings: Settings, stack: StackSettings) -> None:
        self.home = settings.home.absolute()
        self.external = external_parts(self.home)
        self._stack = stack
        self._given = settings.model_copy(update={"home": self.home})
        self._supervisor = Supervisor(self.home)

    def up(self, progress: Progress) -> Running:
        """Start what does not run, check what the user runs elsewhere, register deployments.

        Raises:
            StackError: a port is taken, a part does not come up, or Prefect refuses something.
            StoreError: the object store is unreachable or refuses the keys.
            TrackingError: MLflow is unreachable.

        """
        with locked(self.home):
            self._stay_on_its_ports()
            store_keys(self.home)
            self._login()
            settings = self._settings()
            result_key(settings)
            self._check_external(settings, progress)
            parts = {part.name: part for part in self._plan(settings)}
            self._supervise(parts.values(), settings)
            self._remember()
            start = Start(self._supervisor, parts, self._stack.start_timeout_s, progress)
            return self._bring_up(start, settings)

    def down(self) -> int:
        """Stop every process of this home, and wait for its end.

        Returns:
            How many processes had outlived the supervisor, after a crash.

        Raises:
            StackError: supervisord refuses to stop a part.

        """
        if not self.home.is_dir():
            no_longer(self.home)
            return 0
        with locked(self.home):
            self._supervisor.shut_down()
            left = sweep(self.home)
            self._supervisor.socket.unlink(missing_ok=True)
            no_longer(self.home)
            return left

    def status(self) -> list[PartStatus]:
        """Every part, whether it runs here, elsewhere or not at all."""
        settings = self._settings(as_last_started=True)
        processes = self._supervisor.states() or {}
        rows = []
        for name in SERVERS:
            address, check = _address(name, settings), _check(name, settings)
            if name in self.external:
                rows.append(external_status(name, address, check))
            else:
                process = processes.get(name)
                rows.append(local_status(name, address, self.home, process, check))
        if url := settings.webhook_url:
            process, check = processes.get("webhook"), lambda: health.check_answers(url)
            rows.append(local_status("webhook", url, self.home, process, check))
        if self._stack.worker:
            pool, process = f"work pool {WORK_POOL}", processes.get("worker")
            check = self._check_worker(PrefectApi(settings))
            rows.append(local_status("worker", pool, self.home, process, check))
        return rows

    def _bring_up(self, start: Start, settings: Settings) -> Running:
        for name in SERVERS:
            start.launch(name)
        start.wait("store", lambda: health.answers(settings.store_endpoint_url or ""))
        _ensure_buckets(settings)

        prefect_api = PrefectApi(settings)
        start.wait("prefect", prefect_api.is_healthy)
        is_shared = "prefect" in self.external
        set_up_prefect(prefect_api, settings, self._stack, is_shared=is_shared)
        start.launch("worker")
        registration = register_deployments(prefect_api, settings, self._stack.project)

        start.wait("mlflow", lambda: health.mlflow_answers(settings))
        login = self._login()
        if login and "mlflow" not in self.external:
            ensure_reader(settings, login)
        if "mlflow" not in self.external:
            self._have_moves_told(start, settings)
        start.wait("worker", lambda: self._worker_is_well(prefect_api))
        if not self._stack.worker and not is_shared:
            free_slots_without_holder(prefect_api, self.home)
        return Running(settings, registration)

    def _have_moves_told(self, start: Start, settings: Settings) -> None:
        """Have MLflow tell of aliases that are moved, if it is to."""
        url = settings.webhook_url
        if url is not None:
            start.launch("webhook")
            start.wait("webhook", lambda: health.answers(url))
        try:
            if url is None:
                remove_webhook(settings)
                return
            secret = webhook_keys(self.home).signing
            told = ensure_webhook(settings, f"{url}{PATH}", secret)
            why = "" if told else "MLflow has no webhooks"
        except StackError as error:
            why = str(error)
        if why:
            logger.warning(
                "%s: that somebody moved an alias is noticed by the schedule of watch-registry "
                "alone", why,
            )  # fmt: skip

    @property
    def _asks_login(self) -> bool:
        """Whether a server that runs here is to ask a login."""
        return self._stack.login and not {"mlflow", "prefect"} <= self.external

    def _login(self) -> Login | None:
        """What it is; None where none is asked."""
        return login_of(self.home) if self._asks_login else None

    def _settings(self, *, as_last_started: bool = False) -> Settings:
        """The settings with the addresses and keys of the parts that run here.

        Args:
            as_last_started: prefer the addresses in stack.env to those that the ports set now
                would give: a part runs where `up` last put it.

        """
        local: dict[str, str | SecretStr | None] = {}
        if "store" not in self.external:
            local["store_endpoint_url"] = f"http://{HOST}:{self._stack.store_port}"
            if (self.home / KEYS_FILE).exists():
                keys = store_keys(self.home)
                local["store_access_key_id"] = SecretStr(keys.access_key_id)
                local["store_secret_access_key"] = SecretStr(keys.secret_access_key)
        if "mlflow" not in self.external:
            local["mlflow_url"] = f"http://{HOST}:{self._stack.mlflow_port}"
            if self._stack.webhook and not as_last_started:
                local["webhook_url"] = f"http://{HOST}:{self._stack.webhook_port}"
        if "prefect" not in self.external:
            local["prefect_url"] = f"http://{HOST}:{self._stack.prefect_port}/api"
        if as_last_started:
            local = {name: getattr(self._given, name) or value for name, value in local.items()}
            return self._given.model_copy(update=local)
        local.setdefault("webhook_url", None)
        own = frozenset({"mlflow", "prefect"} - self.external)
        return with_login(self._given.model_copy(update=local), self._login(), own)

    def _plan(self, settings: Settings) -> list[Part]:
        keys, login = store_keys(self.home), self._login()
        webhook = webhook_keys(self.home) if "mlflow" not in self.external else None
        makers: dict[str, Callable[[], Part]] = {
            "store": lambda: store_part(self.home, keys, self._stack.store_port),
            "mlflow": lambda: mlflow_part(self.home, settings, self._stack, login, webhook),
            "prefect": lambda: prefect_part(self.home, settings, self._stack, login),
        }
        parts = [make() for name, make in makers.items() if name not in self.external]
        if settings.webhook_url:
            parts.append(webhook_part(self.home, settings, self._stack))
        if self._stack.worker:
            parts.append(worker_part(self.home, settings, self._stack))
        for folder in ("store", "mlflow", "prefect"):
            make_folder(self.home / folder)
        write_private(logging_file(self.home), logging_config())
        write_private(certificate_file(self.home), one_certificate())
        write_private(self.home / LOGIN_CONFIG, mlflow_login_config(self.home))
        return parts

    def _check_external(self, settings: Settings, progress: Progress) -> None:
        """Fail before anything starts, with the message of the server that is at fault."""
        for name in SERVERS:
            if name in self.external:
                began = time.monotonic()
                if name == "store":
                    _ensure_buckets(settings)
                else:
                    _check(name, settings)()
                seconds = time.monotonic() - began
                progress(Arrival(name, _address(name, settings), seconds, "external"))

    def _supervise(self, parts: Iterable[Part], settings: Settings) -> None:
        """Bring supervisord up with these parts; none of them starts yet."""
        parts = list(parts)
        if not parts and self._supervisor.states() is None:
            return  # all of it runs elsewhere
        if self._supervisor.states() is None:
            sweep(self.home)  # what a crash left over would hold the ports
            health.check_ports(parts)
        self._supervisor.configure(parts)
        write_private(self.home / STACK_ENV_FILE, self._stack_env(settings))
        self._supervisor.ensure_running()
        processes = (self._supervisor.states() or {}).values()
        alive = {process.name for process in processes if process.is_alive}
        health.check_ports(part for part in parts if part.name not in alive)

    def _stay_on_its_ports(self) -> None:
        """A stack that runs stays where it is, unless the user says now where it is to be.

        The ports may have been set in another shell, or in the `.env` of another folder.
        """
        if self._supervisor.states() is None:
            return
        runs_at = {
            "store_port": self._given.store_endpoint_url,
            "mlflow_port": self._given.mlflow_url,
            "webhook_port": self._given.webhook_url,
            "prefect_port": self._given.prefect_url,
        }
        ports = {
            name: urlsplit(address or "").port
            for name, address in runs_at.items()
            if name not in self._stack.model_fields_set
            and name.removesuffix("_port") not in self.external
        }
        known = {name: port for name, port in ports.items() if port is not None}
        self._stack = self._stack.model_copy(update=known)

    def _remember(self) -> None:
        """Let commands in other folders find this stack; that they cannot ends no `up`."""
        pid = self._supervisor.pid()
        if pid is None:
            return
        try:
            remember(self.home, self._stack.project.absolute(), pid)
        except StackError as error:
            logger.warning("%s", error)

    def _stack_env(self, settings: Settings) -> str:
        everything = settings.as_environment()
        local = {
            variable
            for part in PART_VARIABLES.keys() - self.external
            for variable in PART_VARIABLES[part].values()
        }
        text = as_env_file({name: everything[name] for name in local if name in everything})
        return f"# Written by `assayline up` for the servers that it starts.\n{text}"

    def _check_worker(self, prefect_api: PrefectApi) -> Callable[[], None]:
        def check() -> None:
            if not self._worker_is_well(prefect_api):
                raise StackError("the worker has not reported to Prefect")

        return check

    def _worker_is_well(self, prefect_api: PrefectApi) -> bool:
        """Whether the worker that runs now, and not one before it, has reported to Prefect."""
        process = (self._supervisor.states() or {}).get("worker")
        if process is None or process.state != "RUNNING":
            return False
        return any(
            worker.name == worker_name()
            and worker.status == "ONLINE"
            and worker.last_heartbeat_time is not None
            and worker.last_heartbeat_time.timestamp() >= process.started_at
            for worker in prefect_api.workers(WORK_POOL)
        )


def _ensure_buckets(settings: Settings) -> None:
    store = ObjectStore(settings)
    for bucket in (settings.artifacts_bucket, settings.mlflow_bucket, settings.results_bucket):
        store.ensure_bucket(bucket)


def _address(name: str, settings: Settings) -> str:
    addresses = {
        "store": settings.store_endpoint_url or f"AWS S3 in {settings.store_region}",
        "mlflow": settings.mlflow_url or "",
        "prefect": (settings.prefect_url or "").removesuffix("/api"),
    }
    return addresses[name]


def _check(name: str, settings: Settings) -> Callable[[], None]:
    checks: dict[str, Callable[[], None]] = {
        "store": lambda: ObjectStore(settings).check(),
        "mlflow": lambda: health.check_mlflow(settings),
        "prefect": lambda: PrefectApi(settings).check(),
    }
    return checks[name]
