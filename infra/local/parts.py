"""The parts of the embedded stack: what each one runs, and with what around it."""

import hashlib
import importlib.util
import io
import json
import socket
import sys
import sysconfig
from collections.abc import Mapping
from configparser import ConfigParser
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from infra.errors import StackError
from infra.local.address_filter import ADDRESSES_VARIABLE
from infra.local.login import OWNER, USERS_FILE, Login
from infra.local.prefect_roles import ROLES_VARIABLE
from infra.local.private_files import StoreKeys
from infra.local.webhook_keys import WebhookKeys
from infra.results_block import BLOCK_NAME, BLOCK_TYPE
from infra.settings import PART_VARIABLES, Settings, StackSettings

HOST = "127.0.0.1"
WORK_POOL = "assayline"
OWN_LOGGERS = ("flows", "tasks", "infra")
# Beside MLflow's database: how it asks for a login.
LOGIN_CONFIG = Path("mlflow") / "login.ini"
# Of the slots that are held, which stand in the server's database. Prefect's default forgets them
# with the server's process, and the slots stay taken.
LEASE_STORAGE = "prefect.server.concurrency.lease_storage.filesystem"
LEASES_FOLDER = Path("prefect") / "concurrency_leases"
# What the shell of `up` may have for one server, and no flow, and no version that is staged, needs.
SERVERS_OWN = (
    "ASSAYLINE_MLFLOW_DATABASE_URL", "ASSAYLINE_PREFECT_DATABASE_URL", "ASSAYLINE_SERVING_TOKEN",
)  # fmt: skip
# What the receiver of webhooks has no use for, beside logins and keys of servers.
OTHERS_SECRETS = (
    "ASSAYLINE_RESULTS_KEY", "ASSAYLINE_SWEEPS_DATABASE_URL", *SERVERS_OWN,
)  # fmt: skip
QUIET = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Reach:
    """Where a server listens, and under what it is reached beside the names of this machine.

    Attributes:
        host: the address to listen at.
        others: further addresses, for example http://mlflow:15000.

    """

    host: str = HOST
    others: tuple[str, ...] = ()


ON_THIS_MACHINE = Reach()


@dataclass(frozen=True)
class Part:
    """One supervised process.

    Attributes:
        name: also the name of its log.
        address: where a person finds it.
        command: the program's absolute path, and its arguments.
        environment: the variables that it gets beside those of the shell.
        without: variables of the shell that it must not see.
        port: the port of ``HOST`` that it listens on, if any.
        port_variable: the setting that changes the port.
        stop_wait_s: how long it may take to end by itself.

    """

    name: str
    address: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    without: tuple[str, ...] = ()
    port: int | None = None
    port_variable: str = ""
    stop_wait_s: int = field(default=10)

    @cached_property
    def spec(self) -> str:
        """What ``launch.py`` reads, as JSON."""
        whole = {"command": self.command, "set": dict(self.environment), "unset": self.without}
        return json.dumps(whole, sort_keys=True)

    @cached_property
    def digest(self) -> str:
        """Tells two specifications apart."""
        return hashlib.sha256(self.spec.encode()).hexdigest()[:12]


def script(name: str) -> str:
    """Absolute path of a console script of this Python environment.

    Raises:
        StackError: it is not installed.

    """
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.is_file():
        raise StackError(f"the program {name} is not installed at {path}; install assayline anew")
    return str(path)


def object_store_environment(settings: Settings) -> dict[str, str]:
    """How MLflow's server reaches the object store."""
    endpoint = settings.store_endpoint_url
    return {
        **({"MLFLOW_S3_ENDPOINT_URL": endpoint} if endpoint else {}),
        **settings.store_keys,
        "AWS_DEFAULT_REGION": settings.store_region,
    }


def prefect_environment(home: Path, project: Path, settings: Settings) -> dict[str, str]:
    """What every process that runs or registers flows needs to find the servers.

    ``PREFECT_HOME`` keeps Prefect out of the user's own profile.
    """
    certificate, url = certificate_file(home), settings.prefect_url or ""
    plain = url.startswith("http://") and certificate.is_file()
    return {
        **QUIET,
        **({"PREFECT_API_SSL_CERT_FILE": str(certificate)} if plain else {}),
        **settings.as_environment(),
        "ASSAYLINE_HOME": str(home),
        "ASSAYLINE_PROJECT": str(project),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": f"{BLOCK_TYPE}/{BLOCK_NAME}",
        "PREFECT_LOGGING_SETTINGS_PATH": str(logging_file(home)),
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }


def certificate_file(home: Path) -> Path:
    """Where one certificate authority stands, for processes that reach Prefect by ``http://``.

    Prefect reads all authorities for each client that it makes, 50 ms of processor time, also where
    none is asked: that was a quarter of the processor time that registering deployments took.
    """
    return home / "prefect" / "certificate.pem"


def one_certificate() -> str:
    """The first of the certificate authorities that Prefect comes with, as PEM."""
    import certifi

    end = "-----END CERTIFICATE-----"
    content = Path(certifi.where()).read_text(encoding="utf-8")
    return content[content.index("-----BEGIN CERTIFICATE-----") : content.index(end)] + end + "\n"


def logging_file(home: Path) -> Path:
    """Where Prefect reads how to log."""
    return home / "prefect" / "logging.yml"


def logging_config() -> str:
    """Prefect's own logging configuration, with this project's loggers shown on a run's page.

    Its setting for further loggers, PREFECT_LOGGING_EXTRA_LOGGERS, leaves them at the root's level,
    so that nothing below a warning is seen.
    """
    found = importlib.util.find_spec("prefect")
    if found is None or found.origin is None:
        raise StackError("Prefect is not installed; install assayline anew")
    config = yaml.safe_load((Path(found.origin).parent / "logging" / "logging.yml").read_text())
    for name in OWN_LOGGERS:
        config["loggers"][name] = {"level": "INFO", "handlers": ["api"]}
    return str(yaml.safe_dump(config))


def store_part(home: Path, keys: StoreKeys, port: int, reach: Reach = ON_THIS_MACHINE) -> Part:
    """The object store: rclone, over a folder of the home."""
    at = f"{reach.host}:{port}"
    return Part(
        name="store",
        address=f"http://{HOST}:{port}",
        command=(script("rclone"), "serve", "s3", "--addr", at, str(home / "store")),
        environment={
            # rclone reads this as a list in CSV, and takes the whole pair as one quoted field.
            "RCLONE_AUTH_KEY": f'"{keys.access_key_id},{keys.secret_access_key}"',
            "RCLONE_CONFIG": "",  # not the user's own remotes, whose file may ask for a password
        },
        port=port,
        port_variable="ASSAYLINE_STORE_PORT",
    )


def mlflow_part(
    home: Path,
    settings: Settings,
    stack: StackSettings,
    login: Login | None,
    webhook: WebhookKeys | None = None,
    reach: Reach = ON_THIS_MACHINE,
) -> Part:
    """The MLflow tracking server and registry; it calls the receiver where one is set."""
    database = stack.mlflow_database_url
    port = stack.mlflow_port
    asking = {
        "MLFLOW_AUTH_CONFIG_PATH": str(home / LOGIN_CONFIG),
        "MLFLOW_AUTH_ADMIN_PASSWORD": login.owner_password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": login.form_key,
    } if login else {}  # fmt: skip
    reached_at = (*addresses(port, stack.mlflow_public_url), *reach.others)
    return Part(
        name="mlflow",
        address=f"http://{HOST}:{port}",
        command=(
            script("mlflow"), "server", "--app-name", "assayline", "--host", reach.host,
            "--port", str(port), "--workers", "1",
            "--artifacts-destination", f"s3://{settings.mlflow_bucket}",
        ),
        environment={
            **QUIET,
            **object_store_environment(settings),
            **asking,
            **(webhook_environment(webhook, called=bool(settings.webhook_url)) if webhook else {}),
            ADDRESSES_VARIABLE: " ".join(reached_at),
            # MLflow has its own list, of this machine's names alone if it is given none.
            "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(urlsplit(one).netloc for one in reached_at),
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(reached_at),
            "MLFLOW_BACKEND_STORE_URI": database.get_secret_value()
            if database
            else f"sqlite:///{home}/mlflow/mlflow.db",
            # Jobs are MLflow's own evaluations; four processes that nothing here uses.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        without=(
            "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_USERNAME",
            "MLFLOW_TRACKING_PASSWORD",
        ),
        port=port,
        port_variable="ASSAYLINE_MLFLOW_PORT",
    )  # fmt: skip


def webhook_environment(keys: WebhookKeys, *, called: bool) -> dict[str, str]:
    """How MLflow calls the receiver on this machine, to which it would send nothing by default.

    Without the key it could not even list a webhook that was registered with it.
    """
    key = {"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": keys.encryption}
    if not called:
        return key
    return {
        **key,
        # Who may make a webhook is MLflow's administrator alone.
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        # How long MLflow may go on without a webhook that was just registered.
        "MLFLOW_WEBHOOK_CACHE_TTL": "5",
        "MLFLOW_WEBHOOK_REQUEST_TIMEOUT": "10",
    }


def webhook_part(home: Path, settings: Settings, stack: StackSettings) -> Part:
    """What MLflow calls when an alias is moved: it starts runs at Prefect, and asks nobody else."""
    port, known = stack.webhook_port, settings.as_environment()
    asks = [name for name in PART_VARIABLES["prefect"].values() if name in known]
    return Part(
        name="webhook",
        address=f"http://{HOST}:{port}",
        command=(sys.executable, "-m", "infra.local.webhook_receiver", HOST, str(port)),
        environment={
            **QUIET, "ASSAYLINE_HOME": str(home), **{name: known[name] for name in asks}
        },
        without=(
            *PART_VARIABLES["store"].values(), *PART_VARIABLES["mlflow"].values(), *OTHERS_SECRETS
        ),
        port=port,
        port_variable="ASSAYLINE_WEBHOOK_PORT",
    )  # fmt: skip


def mlflow_login_config(home: Path, database: str | None = None) -> str:
    """How MLflow asks for a login: who has one reads, and only the owner changes anything.

    Args:
        home: of the stack.
        database: of the users, as SQLAlchemy takes it; SQLite in the home folder if left out.

    """
    config = ConfigParser(interpolation=None)
    config["mlflow"] = {
        "default_permission": "READ",
        "database_uri": database or f"sqlite:///{home / USERS_FILE}",
        "admin_username": OWNER,
        # Else it would hash the password anew for each request, at 50 ms of processor time.
        "auth_cache_ttl_seconds": "60",
    }
    text = io.StringIO()
    config.write(text)
    return text.getvalue().replace("%", "%%")  # MLflow reads it with interpolation


def prefect_part(
    home: Path,
    settings: Settings,
    stack: StackSettings,
    login: Login | None,
    reach: Reach = ON_THIS_MACHINE,
) -> Part:
    """The Prefect server; people with a role at MLflow come in, where that asks a login."""
    database = stack.prefect_database_url
    port = stack.prefect_port
    reached_at = (*addresses(port, stack.prefect_public_url), *reach.others)
    shown_at = stack.prefect_public_url or reached_at[0]
    roles = login is not None and bool(settings.mlflow_login)
    return Part(
        name="prefect",
        address=f"http://{HOST}:{port}",
        command=(sys.executable, "-m", "infra.local.prefect_server", reach.host, str(port)),
        environment={
            **QUIET,
            **({"PREFECT_SERVER_API_AUTH_STRING": login.owner} if login else {}),
            **({ROLES_VARIABLE: str(settings.mlflow_url)} if roles else {}),
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_SERVER_API_HOST": reach.host,
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_UI_API_URL": f"{shown_at}/api",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASE_STORAGE,
            ADDRESSES_VARIABLE: " ".join(reached_at),
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(reached_at),
            "PREFECT_API_DATABASE_CONNECTION_URL": database.get_secret_value()
            if database
            else f"sqlite+aiosqlite:///{home}/prefect/prefect.db",
        },
        without=(
            "PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_PROFILE",
            *(() if login else ("PREFECT_SERVER_API_AUTH_STRING",)),
            *(() if roles else (ROLES_VARIABLE,)),
        ),
        port=port,
        port_variable="ASSAYLINE_PREFECT_PORT",
    )  # fmt: skip


def addresses(port: int, public_url: str | None) -> tuple[str, ...]:
    """Under which a server of the stack is reached, and from whose pages it takes requests."""
    local = (f"http://{HOST}:{port}", f"http://localhost:{port}")
    return (*local, public_url) if public_url else local


def worker_part(
    home: Path, settings: Settings, stack: StackSettings, name: str | None = None
) -> Part:
    """The Prefect worker, which runs flows as processes of their own."""
    return Part(
        name="worker",
        address=f"work pool {WORK_POOL}",
        command=(sys.executable, "-m", "infra.local.worker", WORK_POOL, name or worker_name()),
        environment={
            **prefect_environment(home, stack.project, settings),
            "PREFECT_WORKER_QUERY_SECONDS": "1",  # a run waits this long before it starts
            "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
            # Each run's client asks again after 2, 4, 8 ... 64 s, as long as stages ask the others.
            "PREFECT_CLIENT_MAX_RETRIES": "6",
        },
        without=("PREFECT_PROFILE", *SERVERS_OWN),
        stop_wait_s=20,
    )  # fmt: skip


def worker_name() -> str:
    """The name under which this machine's worker registers."""
    return f"assayline-{socket.gethostname()}"
