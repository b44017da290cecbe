"""What a process or a web page can do with the stack that was not given the login."""

import asyncio
import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from pydantic import SecretStr
from rich.console import Console

from flows.commands.runs import run_deployment
from infra.errors import SettingsError, StackError
from infra.prefect_api import PrefectApi
from infra.settings import load_stack_settings
from tests.conftest import RunningStack
from tests.faults.test_stack_faults import elsewhere

__all__ = ["elsewhere"]  # a fixture

FOREIGN_HOST = "evil.example"
FOREIGN_ORIGINS = ("https://evil.example", "http://127.0.0.1:9", "http://localhost:3000", "null")
RESULTS_BLOCK = "/block_types/slug/s3-bucket/block_documents/name/assayline-results"
# What the attack did that read the store's key and ran a command in 9 s.
ATTACK = (
    ("GET", f"{RESULTS_BLOCK}?include_secrets=true"),
    ("POST", "/block_documents/filter"),
    ("POST", "/flows/"),
    ("POST", "/deployments/"),
    ("POST", "/deployments/filter"),
    ("POST", "/work_pools/filter"),
    ("POST", "/variables/filter"),
    ("POST", "/logs/filter"),
    ("PATCH", "/v2/concurrency_limits/gpu"),
    ("GET", "/admin/settings"),
    ("POST", "/admin/database/clear"),
)  # fmt: skip
MLFLOW_ATTACK = (
    ("GET", "/"),
    ("GET", "/api/2.0/mlflow/registered-models/search"),
    ("POST", "/api/2.0/mlflow/registered-models/create"),
    ("POST", "/api/2.0/mlflow/registered-models/alias"),
    ("DELETE", "/api/2.0/mlflow/registered-models/delete"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/a"),
    ("POST", "/api/2.0/mlflow/users/create"),
    ("POST", "/graphql"),
    ("POST", "/ajax-api/3.0/mlflow/assistant/message"),
)


@pytest.fixture(scope="module")
def prefect(stack: RunningStack) -> Iterator[httpx.Client]:
    """The API of Prefect, without a login."""
    with httpx.Client(base_url=str(stack.settings.prefect_url), trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def mlflow(stack: RunningStack) -> Iterator[httpx.Client]:
    """MLflow, without a login."""
    with httpx.Client(base_url=str(stack.settings.mlflow_url), trust_env=False) as client:
        yield client


@pytest.fixture(params=["prefect", "mlflow"])
def server(request: pytest.FixtureRequest) -> httpx.Client:
    """Both servers, in turn."""
    client: httpx.Client = request.getfixturevalue(request.param)
    return client


def harmless(server: httpx.Client) -> str:
    """A path that asks no login."""
    return "/health"


@pytest.mark.parametrize(("method", "path"), ATTACK)
def test_prefect_does_nothing_without_the_login(
    prefect: httpx.Client, method: str, path: str
) -> None:
    body: dict[str, Any] = {"json": {}} if method != "GET" else {}
    assert prefect.request(method, path, **body).status_code == 401
    wrong = ("assayline", "a" * 32)
    assert prefect.request(method, path, auth=wrong, **body).status_code == 401


@pytest.mark.parametrize(("method", "path"), MLFLOW_ATTACK)
def test_mlflow_does_nothing_without_the_login(
    mlflow: httpx.Client, method: str, path: str
) -> None:
    body: dict[str, Any] = {"json": {}} if method != "GET" else {}
    assert mlflow.request(method, path, **body).status_code == 401
    for wrong in (("assayline", "a" * 32), ("reader", ""), ("admin", "password1234")):
        assert mlflow.request(method, path, auth=wrong, **body).status_code in {401, 403}


@pytest.mark.parametrize("path", ["events/out", "logs/out", "events/in"])
@pytest.mark.parametrize("origin", [None, *FOREIGN_ORIGINS])
def test_no_stream_of_prefect_opens_without_the_login(
    stack: RunningStack, path: str, origin: str | None
) -> None:
    address = str(stack.settings.prefect_url).replace("http://", "ws://")
    login = ":".join(stack.login)

    async def listen() -> str:
        async with websockets.connect(
            f"{address}/{path}", subprotocols=[websockets.Subprotocol("prefect")], proxy=None,
            additional_headers={"Origin": origin} if origin else {},
        ) as socket:  # fmt: skip
            token = "wrong" if origin is None else login
            await socket.send(json.dumps({"type": "auth", "token": token}))
            return str(await asyncio.wait_for(socket.recv(), timeout=10))

    with pytest.raises(websockets.WebSocketException):
        asyncio.run(listen())


def test_a_name_that_points_here_is_not_enough(stack: RunningStack, server: httpx.Client) -> None:
    """DNS rebinding: the browser sends the name of the site whose page asks."""
    own = server.base_url.netloc.decode()
    port = own.partition(":")[2]
    foreign = (FOREIGN_HOST, f"{FOREIGN_HOST}:{port}", f"{own}.{FOREIGN_HOST}", "127.0.0.1:9",
               "127.0.0.1", f"user@{own}", "")  # fmt: skip
    for host in foreign:
        answer = server.get(harmless(server), headers={"Host": host}, auth=stack.login)
        assert (host, answer.status_code) == (host, 403)
    for host in (own, f"localhost:{port}"):
        assert server.get(harmless(server), headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_pages_of_other_sites_and_ports_are_refused(
    stack: RunningStack, server: httpx.Client, origin: str
) -> None:
    """Also with the login: a browser sends MLflow's along by itself."""
    for method in ("GET", "POST", "OPTIONS"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = server.request(method, "/health", headers=headers, auth=stack.login)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_own_pages_are_let_in(stack: RunningStack, server: httpx.Client) -> None:
    own = str(server.base_url.copy_with(path="")).rstrip("/")
    for origin in (own, own.replace("127.0.0.1", "localhost")):
        answer = server.get("/health", headers={"Origin": origin})
        assert answer.status_code == 200


def test_the_results_block_holds_no_secret(stack: RunningStack, prefect: httpx.Client) -> None:
    secret, key = stack.settings.store_secret_access_key, stack.settings.store_access_key_id
    assert secret
    assert key
    answer = prefect.post(
        "/block_documents/filter", json={"include_secrets": True}, auth=stack.login
    )
    assert "assayline-results" in answer.text
    assert secret.get_secret_value() not in answer.text
    assert key.get_secret_value() not in answer.text


def test_the_reader_reads_and_changes_nothing(stack: RunningStack, mlflow: httpx.Client) -> None:
    login = stack.settings.mlflow_reader_login
    reader = (login["MLFLOW_TRACKING_USERNAME"], login["MLFLOW_TRACKING_PASSWORD"])
    for api in ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow"):
        found = mlflow.get(f"{api}/registered-models/search", auth=reader)
        assert found.status_code == 200
        runs = mlflow.post(f"{api}/runs/search", json={"experiment_ids": ["0"]}, auth=reader)
        assert runs.status_code == 200
        for method, path, body in (
            ("POST", "experiments/create", {"name": "of-the-reader"}),
            ("POST", "registered-models/create", {"name": "of-the-reader"}),
            ("POST", "registered-models/alias", {"name": "a", "alias": "b", "version": "1"}),
            ("DELETE", "registered-models/delete", {"name": "a"}),
            ("POST", "users/create", {"username": "me", "password": "a" * 20}),
            ("PATCH", "users/update-admin", {"username": "reader", "is_admin": True}),
            ("PATCH", "users/update-password", {"username": "reader", "password": "a" * 16}),
        ):  # fmt: skip
            answer = mlflow.request(method, f"{api}/{path}", json=body, auth=reader)
            assert (path, answer.status_code) == (path, 403)
    artifact = "/api/2.0/mlflow-artifacts/artifacts/0/planted"
    assert mlflow.put(artifact, content=b"x", auth=reader).status_code == 403


def test_the_reader_cannot_read_prefect(stack: RunningStack, prefect: httpx.Client) -> None:
    login = stack.settings.mlflow_reader_login
    reader = (login["MLFLOW_TRACKING_USERNAME"], login["MLFLOW_TRACKING_PASSWORD"])
    assert prefect.post("/flows/filter", json={}, auth=reader).status_code == 401


def test_the_login_is_its_owners_alone_and_shown_in_one_line(stack: RunningStack) -> None:
    home = stack.settings.home
    assert stat.S_IMODE((home / "login.json").stat().st_mode) == 0o600
    shown = stack.assayline("status")
    told = [line for line in shown.stdout.splitlines() if ":".join(stack.login) in line]
    assert len(told) == 1
    assert told[0].startswith("login ")
    assert "assayline open" in told[0]
    as_json = stack.assayline("status", "--json").stdout
    assert stack.login[1] not in as_json  # a script's output is kept in logs


def test_the_prefect_page_takes_only_the_login(stack: RunningStack, prefect: httpx.Client) -> None:
    page = prefect.base_url.copy_with(path="/assayline/login")
    # As a file that `assayline open` wrote, and as a page of another site.
    told = {"login": ":".join(stack.login)}
    from_file = prefect.post(page, data=told, headers={"Origin": "null"})
    assert from_file.status_code == 200
    assert "prefect-password" in from_file.text
    assert from_file.headers["cache-control"] == "no-store"
    assert prefect.post(page, data={"login": "x"}, headers={"Origin": "null"}).status_code == 401
    assert prefect.post(page, content=b"", headers={"Origin": "null"}).status_code == 401
    assert prefect.post(page, data=told, headers={"Origin": "https://e.example"}).status_code == 403


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ASSAYLINE_PREFECT_PUBLIC_URL": "http://prefect.example"}, "reverse proxy with TLS"),
        ({"ASSAYLINE_MLFLOW_PUBLIC_URL": "http://10.0.0.5:15000"}, "reverse proxy with TLS"),
        ({"ASSAYLINE_MLFLOW_PUBLIC_URL": "https://u:p@mlflow.example"}, "without user, password"),
        (
            {"ASSAYLINE_MLFLOW_PUBLIC_URL": "https://mlflow.example", "ASSAYLINE_LOGIN": "off"},
            "ASSAYLINE_LOGIN is off",
        ),
        (
            {"ASSAYLINE_PREFECT_PUBLIC_URL": "https://prefect.example", "ASSAYLINE_LOGIN": "off"},
            "ASSAYLINE_LOGIN is off",
        ),
        ({"ASSAYLINE_LOGIN": "perhaps"}, "ASSAYLINE_LOGIN"),
    ],
)
def test_beyond_this_machine_only_with_login_and_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said) as refused:
        load_stack_settings()
    assert "u:p" not in str(refused.value)


def test_the_command_refuses_it_too(stack: RunningStack) -> None:
    public = {"ASSAYLINE_PREFECT_PUBLIC_URL": "https://prefect.example", "ASSAYLINE_LOGIN": "off"}
    refused = stack.assayline("up", **public)
    assert refused.returncode == 1
    assert "ASSAYLINE_LOGIN is off" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_who_has_a_wrong_login_is_told_so(stack: RunningStack) -> None:
    wrong = SecretStr("assayline:wrong")
    settings = stack.settings.model_copy(update={"prefect_login": wrong})
    with pytest.raises(StackError, match="asks a login and refuses that of this process"):
        PrefectApi(settings).deployments()
    shown = Console(file=io.StringIO())
    with pytest.raises(StackError, match="asks a login and refuses that of this process"):
        run_deployment(settings, "retrain/bbc-news", {}, int, shown)


@pytest.mark.slow
def test_without_a_login_both_ask_none_say_so_and_keep_the_gate(
    elsewhere: RunningStack,
) -> None:
    """Of a home in which only MLflow runs."""
    started = elsewhere.assayline("up", ASSAYLINE_LOGIN="off")
    assert started.returncode == 0, started.stderr
    assert "login    off (ASSAYLINE_LOGIN)" in started.stdout
    assert "login    off (ASSAYLINE_LOGIN)" in elsewhere.assayline("status").stdout
    address = f"http://127.0.0.1:{elsewhere.environment['ASSAYLINE_MLFLOW_PORT']}"
    search = f"{address}/api/2.0/mlflow/registered-models/search"
    assert httpx.get(search).status_code == 200
    assert httpx.get(search, headers={"Host": FOREIGN_HOST}).status_code == 403
    for origin in FOREIGN_ORIGINS:
        assert httpx.post(search, headers={"Origin": origin}).status_code == 403
    # And on again, in the same home.
    started = elsewhere.assayline("up")
    assert started.returncode == 0, started.stderr
    assert httpx.get(search).status_code == 401
    # A login that was lost is made anew, and the old one lets nobody in.
    before = json.loads((elsewhere.settings.home / "login.json").read_text())
    elsewhere.assayline("down")
    (elsewhere.settings.home / "login.json").unlink()
    started = elsewhere.assayline("up")
    assert started.returncode == 0, started.stderr
    assert httpx.get(search, auth=("assayline", before["owner_password"])).status_code == 401
    after = json.loads((elsewhere.settings.home / "login.json").read_text())
    for user in ("owner", "reader"):
        name = {"owner": "assayline"}.get(user, user)
        assert httpx.get(search, auth=(name, after[f"{user}_password"])).status_code == 200
