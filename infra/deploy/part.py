"""One part of the stack in the foreground: ``python -m infra.deploy.part PART``.

==================  ==============================================================================
store               the object store that the embedded stack has, over a folder of the home
mlflow              MLflow's server and registry behind its login; its users in its database, too
prefect             Prefect's server behind its login
worker              a worker that runs flows as its own processes
kubernetes-worker   a worker that runs each flow as a job of its own (assayline[kubernetes])
run                 the flow run of such a job
==================  ==============================================================================

The commands and variables are those of the embedded stack (`infra.local.parts`). What differs: a
server listens where ASSAYLINE_SERVER_HOST says, always asks a login, and takes it from the same
variables as those who come in by it.
"""

import hashlib
import hmac
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from infra.deploy.exits import exit_with_message
from infra.deploy.names_at_work import refuse_a_name_at_work
from infra.deploy.settings import ContainerSettings, load_container_settings
from infra.errors import SettingsError
from infra.local.launch import become
from infra.local.login import OWNER, READER, Login
from infra.local.parts import (
    LOGIN_CONFIG,
    SERVERS_OWN,
    WORK_POOL,
    Part,
    certificate_file,
    logging_config,
    logging_file,
    mlflow_login_config,
    mlflow_part,
    one_certificate,
    prefect_environment,
    prefect_part,
    script,
    store_part,
    worker_name,
    worker_part,
)
from infra.local.prefect_roles import ROLES_VARIABLE
from infra.local.private_files import StoreKeys, make_folder, write_private
from infra.prefect_api import PrefectApi
from infra.settings import Settings, StackSettings, load_settings, load_stack_settings

HEALTH_PORT: Final = "8080"  # of Prefect's own worker, where a cluster asks whether it is well


def store(settings: Settings, stack: StackSettings, container: ContainerSettings) -> Part:
    """The object store with the keys by which others reach it."""
    key = required(settings.store_access_key_id, "ASSAYLINE_STORE_ACCESS_KEY_ID")
    secret = required(settings.store_secret_access_key, "ASSAYLINE_STORE_SECRET_ACCESS_KEY")
    make_folder(settings.home / "store")
    return store_part(settings.home, StoreKeys(key, secret), stack.store_port, container.reach)


def mlflow(settings: Settings, stack: StackSettings, container: ContainerSettings) -> Part:
    """MLflow, whose owner and reader are those of the variables."""
    login = mlflow_login(settings)
    database = stack.mlflow_database_url
    users = database.get_secret_value() if database else None
    make_folder(settings.home / "mlflow")
    write_private(settings.home / LOGIN_CONFIG, mlflow_login_config(settings.home, users))
    return mlflow_part(settings.home, settings, stack, login, reach=container.reach)


def prefect(settings: Settings, stack: StackSettings, container: ContainerSettings) -> Part:
    """Prefect, which asks MLflow who has a role there where it is told of one."""
    login = prefect_login(settings)
    make_folder(settings.home / "prefect")
    part = prefect_part(settings.home, settings, stack, login, container.reach)
    if settings.mlflow_url is None:
        return part
    # MLflow asks a login here, which this server need not know to send people's own there.
    return replace(
        part,
        environment={**part.environment, ROLES_VARIABLE: settings.mlflow_url},
        without=tuple(name for name in part.without if name != ROLES_VARIABLE),
    )


def worker(settings: Settings, stack: StackSettings, container: ContainerSettings) -> Part:
    """A worker under a name that no other has."""
    name = container.worker_name or worker_name()
    prepare_for_flows(settings.home)
    refuse_a_name_at_work(PrefectApi(settings), WORK_POOL, name)
    return worker_part(settings.home, settings, stack, name)


def kubernetes_worker(settings: Settings, _: StackSettings, container: ContainerSettings) -> Part:
    """Prefect's own Kubernetes worker; the jobs look after themselves, and it after them."""
    prepare_for_flows(settings.home)
    options = ["--pool", WORK_POOL, "--type", "kubernetes", "--with-healthcheck"]
    return Part(
        name="kubernetes-worker",
        address=f"work pool {WORK_POOL}",
        command=(
            script("prefect"), "worker", "start", *options,
            "--name", container.worker_name or worker_name(),
        ),
        environment={
            "PREFECT_HOME": str(settings.home / "prefect"),
            "PREFECT_WORKER_WEBSERVER_HOST": "0.0.0.0",  # noqa: S104 - the kubelet asks there # nosec B104
            "PREFECT_WORKER_WEBSERVER_PORT": HEALTH_PORT,
            "DO_NOT_TRACK": "1",
        },
        without=SERVERS_OWN,
    )  # fmt: skip


def run(settings: Settings, stack: StackSettings, _: ContainerSettings) -> Part:
    """The flow run whose id PREFECT__FLOW_RUN_ID says, as a job of a cluster."""
    prepare_for_flows(settings.home)
    return Part(
        name="run",
        address="",
        command=(script("prefect"), "flow-run", "execute"),
        environment={
            **prefect_environment(settings.home, stack.project, settings),
            "PREFECT_CLIENT_MAX_RETRIES": "6",
        },
        without=("PREFECT_PROFILE", *SERVERS_OWN),
    )


Make = Callable[[Settings, StackSettings, ContainerSettings], Part]
PARTS: Final[Mapping[str, Make]] = {
    "store": store,
    "mlflow": mlflow,
    "prefect": prefect,
    "worker": worker,
    "kubernetes-worker": kubernetes_worker,
    "run": run,
}


def prepare_for_flows(home: Path) -> None:
    """Write what Prefect's clients read in the home folder."""
    make_folder(home / "prefect")
    write_private(logging_file(home), logging_config())
    write_private(certificate_file(home), one_certificate())


def mlflow_login(settings: Settings) -> Login:
    """The login of MLflow's owner and reader.

    Raises:
        SettingsError: a variable is missing, or names another user than MLflow's app knows.

    """
    if settings.mlflow_user != OWNER:
        raise SettingsError(f"MLFLOW_TRACKING_USERNAME must be {OWNER} for the server itself")
    password = required(settings.mlflow_password, "MLFLOW_TRACKING_PASSWORD")
    reader = password_of(required(settings.mlflow_reader, "ASSAYLINE_MLFLOW_READER"), READER)
    # The same at each start, so that a form that was opened before one can be sent after it.
    key = hmac.new(password.encode(), b"forms of MLflow", hashlib.sha256).hexdigest()
    return Login(password, reader, key)


def prefect_login(settings: Settings) -> Login:
    """The login of Prefect's owner.

    Raises:
        SettingsError: the variable is missing, or names another user.

    """
    whole = required(settings.prefect_login, "PREFECT_API_AUTH_STRING")
    return Login(owner_password=password_of(whole, OWNER))


def password_of(login: str, user: str) -> str:
    """The password of a login as user:password.

    Raises:
        SettingsError: it is of another user, or there is none.

    """
    named, colon, password = login.partition(":")
    if named != user or not password:
        seen = repr(named) if colon else "none"  # without a colon it may be a password
        raise SettingsError(f"the login of {user} must be {user}:PASSWORD (user seen: {seen})")
    return password


def required(secret: SecretStr | None, variable: str) -> str:
    """A secret without which a part does not start.

    Raises:
        SettingsError: it is missing.

    """
    if secret is None:
        raise SettingsError(
            f"{variable} is not set; name its file in {variable}_FILE (python -m "
            "infra.deploy.new_secrets FOLDER makes one), and start by infra.deploy.entry"
        )
    return secret.get_secret_value()


def main() -> None:
    """Become the part that the command line names."""
    named = sys.argv[1:]
    if len(named) != 1 or named[0] not in PARTS:
        raise SettingsError(f"name one part of {', '.join(PARTS)} (seen: {' '.join(named)!r})")
    settings, stack, container = load_settings(), load_stack_settings(), load_container_settings()
    if not stack.login:
        raise SettingsError(
            "ASSAYLINE_LOGIN is off; a deployed server is reached by others and always asks a "
            "login, so leave it out"
        )
    settings = settings.model_copy(update={"home": settings.home.absolute()})
    make_folder(settings.home)
    part = PARTS[named[0]](settings, stack, container)
    become(part.command, part.environment, part.without)


if __name__ == "__main__":
    with exit_with_message():
        main()
