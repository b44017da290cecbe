"""The lock of a server's SQLite database: held for long by another writer, or much asked for."""

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from infra.prefect_api import GPU_LIMIT, LOOK_TIMEOUT_S, PrefectApi
from infra.tracking import Tracking
from tests.conftest import RunningStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

# A page that is not answered for so long is taken for one that never will be.
ANSWERS_WITHIN_S = 10
STORM_S = 60

LOCKED_S = LOOK_TIMEOUT_S + 8


@contextmanager
def locked(database: Path, seconds: float) -> Iterator[None]:
    """Keep every other writer of a database waiting, from the first line of the block."""
    connection = sqlite3.connect(
        database, timeout=60, isolation_level=None, check_same_thread=False
    )
    connection.execute("BEGIN IMMEDIATE")
    release = threading.Timer(seconds, connection.execute, ["ROLLBACK"])
    release.start()
    try:
        yield
    finally:
        release.join()
        connection.close()


def test_a_change_at_prefect_waits_until_the_database_is_free(stack: RunningStack) -> None:
    api = PrefectApi(stack.settings)
    limit = api.limit(GPU_LIMIT)
    assert limit
    with locked(stack.settings.home / "prefect" / "prefect.db", LOCKED_S):
        began = time.monotonic()
        assert api.limit(GPU_LIMIT) == limit, "who only looks does not wait"
        api.resize_limit(GPU_LIMIT, limit.limit)
        assert time.monotonic() - began > LOCKED_S - 1, "it was not locked"


def test_a_record_in_mlflow_waits_until_the_database_is_free(stack: RunningStack) -> None:
    tracking = Tracking(stack.settings)
    assert tracking.write_once("locked-database", "before", "one") == "one"
    with locked(stack.settings.home / "mlflow" / "mlflow.db", 20):
        assert tracking.write_once("locked-database", "while", "one") == "one"
    assert tracking.write_once("locked-database", "while", "two") == "one"


def test_prefect_answers_while_requests_that_ask_for_the_lock_are_given_up(
    stack: RunningStack,
) -> None:
    """It stood still for a minute where the garbage of a cancelled request waited for SQLite."""
    asyncio.run(_storm(PrefectApi(stack.settings)))


async def _storm(api: PrefectApi) -> None:
    found = [deployment.id for deployment in api.deployments().values()]
    assert found
    async with asyncio.timeout(STORM_S + 30), asyncio.TaskGroup() as group:
        stops = asyncio.get_running_loop().time() + STORM_S
        for seed in range(6):
            group.create_task(_give_up_often(api, found, random.Random(seed), stops))
        group.create_task(_look(api, stops))


async def _look(api: PrefectApi, stops: float) -> None:
    async with httpx.AsyncClient(base_url=api.url, timeout=ANSWERS_WITHIN_S) as client:
        while asyncio.get_running_loop().time() < stops:
            assert (await client.get("/health")).is_success
            await asyncio.sleep(0.5)


async def _give_up_often(
    api: PrefectApi, deployments: list[UUID], chance: random.Random, stops: float
) -> None:
    headers = api._client.headers
    async with httpx.AsyncClient(base_url=api.url, headers=headers) as client:
        while asyncio.get_running_loop().time() < stops:
            of = chance.choice(deployments)
            for method, path in (
                ("PATCH", f"/deployments/{of}"),
                ("POST", "/work_pools/assayline/get_scheduled_flow_runs"),
                ("POST", "/flow_runs/filter"),
            ):
                patience_s = chance.choice((30, 0.01, 0.03, 0.05))
                with suppress(httpx.TransportError):
                    body = {"description": str(chance.random())} if method == "PATCH" else {}
                    await client.request(method, path, json=body, timeout=patience_s)
