"""The address filter in front of a server, the page that logs in, and what the reader may ask."""

import asyncio
import base64
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from infra.local.address_filter import AddressFilter
from infra.local.mlflow_app import ReaderFilter
from infra.local.parts import addresses, mlflow_part, prefect_part, webhook_part, worker_part
from infra.local.prefect_roles import ROLES_VARIABLE
from infra.settings import Settings, StackSettings

OPEN = PlainTextResponse("in")
LOCAL = addresses(14200, None)
VIEWERS = frozenset({"vera"}).__contains__


def ask(app: Any, method: str = "GET", path: str = "/", **headers: str) -> int:
    async def send() -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:14200"
        ) as client:
            return (await client.request(method, path, headers=headers)).status_code

    return asyncio.run(send())


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("host", ["127.0.0.1:14200", "localhost:14200"])
def test_own_names_are_let_in(host: str) -> None:
    assert ask(AddressFilter(OPEN, LOCAL), Host=host) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:15000", "[::1]:14200", "LOCALHOST:14200", ""]
)
def test_other_names_are_not(host: str) -> None:
    assert ask(AddressFilter(OPEN, LOCAL), Host=host) == 403


def test_a_public_address_is_one_more_name_and_origin() -> None:
    public = "https://prefect.example"
    filter_ = AddressFilter(OPEN, addresses(14200, public))
    assert ask(filter_, Host="prefect.example", Origin=public) == 200
    assert ask(filter_, Host="prefect.example", Origin="http://prefect.example") == 403
    assert ask(AddressFilter(OPEN, LOCAL), Host="prefect.example") == 403


def test_a_file_may_only_log_in() -> None:
    filter_ = AddressFilter(OPEN, LOCAL, open_to_files=["/in"])
    assert ask(filter_, "POST", "/in", Origin="null") == 200
    assert ask(filter_, "POST", "/in/", Origin="null") == 403
    assert ask(filter_, "POST", "/", Origin="null") == 403


@pytest.mark.parametrize(
    ("method", "path", "user", "status"),
    [
        ("GET", "/api", "reader:p", 200),
        ("POST", "/api/runs/search", "reader:p", 200),
        ("POST", "/api/experiments/create", "reader:p", 403),
        ("PUT", "/api/artifacts/a", "reader:p", 403),
        ("DELETE", "/api", "reader", 403),
        ("POST", "/api", "assayline:reader", 200),
        ("POST", "/api", "reader2:p", 200),
        ("POST", "/api/experiments/create", "vera:p", 403),
        ("POST", "/graphql", "vera:p", 200),
        ("PATCH", "/api/2.0/mlflow/users/update-password", "vera:p", 200),
        ("PATCH", "/api/2.0/mlflow/users/update-password", "reader:p", 403),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/search", "vera:p", 403),
        ("DELETE", "/api/2.0/mlflow/experiments/search", "reader:p", 403),
    ],
)
def test_what_the_reader_asks(method: str, path: str, user: str, status: int) -> None:
    assert ask(ReaderFilter(OPEN, VIEWERS), method, path, Authorization=basic(user)) == status


def test_how_the_scheme_is_written_does_not_matter() -> None:
    lower = basic("reader:p").replace("Basic", "bAsIc ")
    assert ask(ReaderFilter(OPEN, VIEWERS), "POST", Authorization=lower) == 403
    for other in ("Bearer x", "Basic !", "Basic", ""):
        assert (
            ask(ReaderFilter(OPEN, VIEWERS), "POST", Authorization=other) == 200
        )  # MLflow refuses these


def test_parts_without_a_login_ask_none(tmp_path: Any) -> None:
    stack = StackSettings(login=False)
    settings = Settings(home=tmp_path)
    mlflow, prefect = (
        mlflow_part(tmp_path, settings, stack, None),
        prefect_part(tmp_path, settings, stack, None),
    )
    assert not [name for name in mlflow.environment if name.startswith("MLFLOW_AUTH")]
    assert "PREFECT_SERVER_API_AUTH_STRING" not in prefect.environment
    assert "PREFECT_SERVER_API_AUTH_STRING" in prefect.without
    assert ROLES_VARIABLE in prefect.without


def test_flows_are_not_told_what_one_server_alone_needs(tmp_path: Any) -> None:
    stack, settings = StackSettings(), Settings(home=tmp_path)
    database = {"ASSAYLINE_MLFLOW_DATABASE_URL", "ASSAYLINE_PREFECT_DATABASE_URL"}
    for part in (worker_part, webhook_part):
        assert database <= set(part(tmp_path, settings, stack).without)
