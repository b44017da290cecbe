"""What a container starts: its secrets, its part, and what it refuses before anything runs."""

import json
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from infra.deploy import names_at_work, part
from infra.deploy.entry import secrets_from_files
from infra.deploy.healthy import status_of
from infra.deploy.names_at_work import refuse_a_name_at_work
from infra.deploy.new_secrets import new_secrets, write_secrets
from infra.deploy.settings import ContainerSettings, load_container_settings, variables
from infra.deploy.work_pool import ensure_kubernetes_pool, job_template
from infra.errors import SettingsError, StackError
from infra.local.parts import Part
from infra.local.prefect_roles import ROLES_VARIABLE
from infra.prefect_api import PrefectApi, Worker, WorkPool
from infra.settings import Settings, StackSettings, load_settings, load_stack_settings
from tests.deployed.common_checks import DEPLOY
from tests.deployed.kubernetes_checks import template
from tests.http_servers import answering


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the settings, whatever other tests of this process have left."""
    for name in variables():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nothing_set: None,
) -> str:
    """The environment of a service of the compose file, its secrets read as its entry does."""
    write_secrets(tmp_path / "secrets")
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    told = {
        name: str(value).replace("/run/secrets", str(tmp_path / "secrets"))
        for name, value in content["services"][request.param]["environment"].items()
    }
    monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path / "home"))
    for name, value in (told | secrets_from_files(told)).items():
        monkeypatch.setenv(name, value)
    return str(request.param)


def part_of(name: str) -> Part:
    settings, stack, container = load_settings(), load_stack_settings(), load_container_settings()
    settings.home.mkdir(exist_ok=True)
    return part.PARTS[name](settings, stack, container)


@pytest.mark.parametrize("service", ["mlflow"], indirect=True)
def test_mlflow_is_reached_by_its_name_and_keeps_everything_in_its_database(
    service: str, tmp_path: Path
) -> None:
    made = part_of(service)
    assert made.command[made.command.index("--host") + 1] == "0.0.0.0"
    addresses = made.environment["ASSAYLINE_SERVER_ADDRESSES"].split()
    assert addresses == [
        "http://127.0.0.1:15000", "http://localhost:15000", "http://mlflow:15000"
    ]  # fmt: skip
    assert "mlflow:15000" in made.environment["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    database = (tmp_path / "secrets" / "mlflow_database_url").read_text()
    assert made.environment["MLFLOW_BACKEND_STORE_URI"] == database
    login = Path(made.environment["MLFLOW_AUTH_CONFIG_PATH"])
    assert f"database_uri = {database}" in login.read_text()
    assert stat.S_IMODE(login.stat().st_mode) == 0o600
    password = (tmp_path / "secrets" / "mlflow_password").read_text()
    assert made.environment["MLFLOW_AUTH_ADMIN_PASSWORD"] == password
    # A form that was opened before a start can be sent after it; the key is no password.
    key = made.environment["MLFLOW_FLASK_SERVER_SECRET_KEY"]
    assert part_of(service).environment["MLFLOW_FLASK_SERVER_SECRET_KEY"] == key != password
    assert made.environment["MLFLOW_S3_ENDPOINT_URL"] == "http://store:19000"


@pytest.mark.parametrize("service", ["prefect"], indirect=True)
def test_prefect_asks_mlflow_who_has_a_role_and_shows_its_pages_at_loopback(
    service: str, tmp_path: Path
) -> None:
    made = part_of(service)
    assert made.command[-2:] == ("0.0.0.0", "14200")
    assert made.environment[ROLES_VARIABLE] == "http://mlflow:15000"
    assert ROLES_VARIABLE not in made.without
    assert made.environment["PREFECT_SERVER_UI_API_URL"] == "http://127.0.0.1:14200/api"
    login = (tmp_path / "secrets" / "prefect_login").read_text()
    assert made.environment["PREFECT_SERVER_API_AUTH_STRING"] == login
    database = (tmp_path / "secrets" / "prefect_database_url").read_text()
    assert made.environment["PREFECT_API_DATABASE_CONNECTION_URL"] == database
    assert "http://prefect:14200" in made.environment["ASSAYLINE_SERVER_ADDRESSES"].split()


@pytest.mark.parametrize("service", ["store"], indirect=True)
def test_the_store_has_the_keys_by_which_others_come(service: str, tmp_path: Path) -> None:
    made = part_of(service)
    assert "0.0.0.0:19000" in made.command
    key, secret = (
        (tmp_path / "secrets" / name).read_text()
        for name in ("store_access_key_id", "store_secret_access_key")
    )
    assert made.environment["RCLONE_AUTH_KEY"] == f'"{key},{secret}"'


@pytest.mark.parametrize("service", ["worker-1"], indirect=True)
def test_a_worker_has_its_own_name_and_no_servers_secret(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(part, "refuse_a_name_at_work", lambda _, __, name: asked.append(name))
    made = part_of("worker")
    assert made.command[-1] == service == asked[0]
    assert made.environment["PREFECT_API_URL"] == "http://prefect:14200/api"
    assert "ASSAYLINE_MLFLOW_DATABASE_URL" in made.without
    key = (tmp_path / "secrets" / "results_key").read_text()
    assert made.environment["ASSAYLINE_RESULTS_KEY"] == key
    logging = Path(made.environment["PREFECT_LOGGING_SETTINGS_PATH"])
    assert "flows" in yaml.safe_load(logging.read_text())["loggers"]
    run = part_of("run")
    assert run.command[-2:] == ("flow-run", "execute")
    assert run.environment["PREFECT_DEFAULT_RESULT_STORAGE_BLOCK"] == "assayline-results/results"
    kubernetes = part_of("kubernetes-worker")
    assert kubernetes.command[-1] == service
    assert "--with-healthcheck" in kubernetes.command


@pytest.mark.usefixtures("nothing_set")
def test_a_server_without_its_secrets_names_the_variable(tmp_path: Path) -> None:
    settings, stack, container = Settings(home=tmp_path), StackSettings(), ContainerSettings()
    for name, variable in (
        ("store", "ASSAYLINE_STORE_ACCESS_KEY_ID"), ("mlflow", "MLFLOW_TRACKING_USERNAME"),
        ("prefect", "PREFECT_API_AUTH_STRING"),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=variable):
            part.PARTS[name](settings, stack, container)
    owner = settings.model_copy(
        update={"mlflow_user": "assayline", "mlflow_password": SecretStr("a-password")}
    )
    with pytest.raises(SettingsError, match="ASSAYLINE_MLFLOW_READER"):
        part.mlflow(owner, stack, container)


@pytest.mark.parametrize("login", ["somebody:secret-word", "secret-word", "assayline:"])
def test_a_login_of_another_user_is_refused_without_its_password(
    tmp_path: Path, login: str
) -> None:
    settings = Settings(home=tmp_path, prefect_login=login)
    with pytest.raises(SettingsError, match="must be assayline:PASSWORD") as refused:
        part.prefect_login(settings)
    assert "secret-word" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "changes", "said"),
    [
        ([], {}, "name one part of store"),
        (["mlfow"], {}, "name one part of store"),
        (["store"], {"ASSAYLINE_LOGIN": "off"}, "ASSAYLINE_LOGIN is off"),
        (["store"], {"ASSAYLINE_WORKER_NAME": "a b"}, "ASSAYLINE_WORKER_NAME"),
        (["store"], {"ASSAYLINE_SERVER_ADDRESSES": "mlflow:15000"}, "without a path"),
    ],
)
def test_what_cannot_start_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, words: list[str], changes: dict[str, str], said: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["part", *words])
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        part.main()


@pytest.mark.parametrize("value", ["http://mlflow:15000/x", "ftp://mlflow", "http://"])
def test_addresses_are_of_web_servers(value: str) -> None:
    with pytest.raises(ValidationError, match="must be addresses"):
        ContainerSettings(server_addresses=f"http://a:1 {value}")


# --- secrets -------------------------------------------------------------------------------------


def test_a_secret_is_read_from_its_file_and_its_file_is_not_told_on(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("assayline:word\n")
    told = {"PREFECT_API_AUTH_STRING_FILE": str(tmp_path / "login"), "HOME": "/x"}
    assert secrets_from_files(told) == {"PREFECT_API_AUTH_STRING": "assayline:word"}
    done = subprocess.run(
        [sys.executable, "-m", "infra.deploy.entry", "env"],
        env={**told, "PATH": "/usr/bin:/bin"}, cwd=DEPLOY.parents[1],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "PREFECT_API_AUTH_STRING=assayline:word" in done.stdout.splitlines()
    assert "_FILE" not in done.stdout


@pytest.mark.parametrize(
    ("content", "others", "said"),
    [
        (None, {}, "cannot be read"),
        ("\n", {}, "is empty"),
        ("a", {"ASSAYLINE_RESULTS_KEY": "b"}, "are both set"),
        (b"\xff\xfe", {}, "cannot be read"),
    ],
)
def test_a_secret_that_is_not_there_is_named(
    tmp_path: Path, content: str | bytes | None, others: dict[str, str], said: str
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError, match=f"ASSAYLINE_RESULTS_KEY.*{said}"):
        secrets_from_files({"ASSAYLINE_RESULTS_KEY_FILE": str(path), **others})


def test_a_variable_that_holds_no_secret_is_left_alone(tmp_path: Path) -> None:
    """SSL_CERT_FILE and its like are files by their own right."""
    told = {
        "SSL_CERT_FILE": "/nowhere",
        "PREFECT_API_SSL_CERT_FILE": "/no",
        "MLFLOW_URI_FILE": "/x",
    }
    assert secrets_from_files(told) == {}


def test_secrets_are_made_once_and_agree(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert write_secrets(folder) == sorted(new_secrets())
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert write_secrets(folder) == []
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert before["mlflow_reader"] == f"reader:{before['mlflow_reader_password']}"
    for name in ("mlflow", "prefect"):
        assert before[f"{name}_database_password"] in before[f"{name}_database_url"]
    assert len(set(before.values())) == len(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}


def test_one_of_a_pair_is_not_made_anew(tmp_path: Path) -> None:
    write_secrets(tmp_path)
    (tmp_path / "serving_token").unlink()
    (tmp_path / "mlflow_database_url").unlink()
    with pytest.raises(ValueError, match="lacks mlflow_database_url"):
        write_secrets(tmp_path)
    assert not (tmp_path / "serving_token").exists()


# --- health, the worker's name, the pool ----------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """Says 200 at /health, and refuses everything else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 403)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_health_is_the_status_that_is_asked_for() -> None:
    with answering(HTTPServer(("127.0.0.1", 0), Answers)) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        assert status_of(f"{address}/health") == 200
        assert status_of(address) == 403
        for words, code in (
            ([f"{address}/health"], 0), ([f"{address}/"], 1), ([f"{address}/", "403"], 0),
        ):  # fmt: skip
            command = [sys.executable, DEPLOY / "healthy.py", *words]
            assert subprocess.run(command, capture_output=True, check=False).returncode == code
    with pytest.raises(OSError, match="refused"):
        status_of(f"{address}/health")


class Pool:
    """What a Prefect server knows of workers, one look after the other."""

    url = "http://prefect/api"

    def __init__(self, *looks: list[Worker]) -> None:
        self.looks = list(looks)

    def workers(self, _: str) -> list[Worker]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def reporting(seconds: float, name: str = "w", status: str = "ONLINE") -> Worker:
    then = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return Worker(name=name, status=status, last_heartbeat_time=then)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_at_work, "LOOK_EVERY_S", 0.01)


@pytest.mark.usefixtures("quick")
def test_a_worker_of_a_name_that_is_at_work_does_not_start() -> None:
    pool: Any = Pool([reporting(0)], [reporting(0)], [reporting(10)])
    with pytest.raises(StackError, match=r"a worker of the name w is at work.*WORKER_NAME"):
        refuse_a_name_at_work(pool, "assayline", "w", 5)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "looks",
    [
        [[]],
        [[reporting(0, name="another")], [reporting(9, name="another")]],
        [[reporting(0, status="OFFLINE")]],
        [[reporting(0)]],
        [[reporting(0)], [reporting(0, status="OFFLINE")]],
    ],
    ids=["nobody", "another", "offline", "killed", "gone meanwhile"],
)
def test_a_name_that_is_free_or_of_one_that_was_killed_is_taken(looks: list[list[Worker]]) -> None:
    pool: Any = Pool(*looks)
    began = time.monotonic()
    refuse_a_name_at_work(pool, "assayline", "w", 0.1)
    assert time.monotonic() - began < 2


class Server:
    """A Prefect server's pool, and what it is sent."""

    def __init__(self, standing: WorkPool | None) -> None:
        self.standing = standing
        self.sent: list[dict[str, Any]] = []

    def set_template(self, name: str, kind: str, template: dict[str, Any]) -> None:
        self.sent.append({"name": name, "kind": kind, "template": template})


def test_the_pool_has_the_image_and_gpus_that_the_console_is_told() -> None:
    path = DEPLOY / "kubernetes" / "base-job-template.json"
    server: Any = Server(None)
    ensure_kubernetes_pool(server, ContainerSettings())
    assert server.sent == []
    told = ContainerSettings(job_template=path, job_image="registry/assayline:2", job_gpus=1)
    ensure_kubernetes_pool(server, told)
    (sent,) = server.sent
    assert (sent["name"], sent["kind"]) == ("assayline", "kubernetes")
    properties = sent["template"]["variables"]["properties"]
    assert (properties["image"]["default"], properties["gpus"]["default"]) == (
        "registry/assayline:2", 1,
    )  # fmt: skip
    assert sent["template"]["job_configuration"] == template()["job_configuration"]


@pytest.mark.parametrize("text", [None, "no json", "{}", json.dumps({"variables": {}})])
def test_a_template_that_is_none_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "template.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=r"ASSAYLINE_JOB_TEMPLATE names .*template\.json"):
        job_template(ContainerSettings(job_template=path, job_image="assayline"))


def test_jobs_without_an_image_are_refused() -> None:
    path = DEPLOY / "kubernetes" / "base-job-template.json"
    with pytest.raises(SettingsError, match="ASSAYLINE_JOB_IMAGE"):
        job_template(ContainerSettings(job_template=path))


def test_a_pool_of_another_type_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    api = PrefectApi(Settings(prefect_url="http://127.0.0.1:9/api"))
    monkeypatch.setattr(api, "work_pool", lambda _: WorkPool(name="assayline", type="process"))
    with pytest.raises(StackError, match="is of type process, and kubernetes is wanted"):
        api.set_template("assayline", "kubernetes", {})
