"""What MLflow's webhook calls: ``python -m infra.local.webhook_receiver HOST PORT``.

A move of ``production`` or ``previous`` starts the line's look at its aliases, the deployment
``watch-registry/LINE``, at once. It decides nothing and moves nothing: that look does, which also
runs on a schedule, so that nothing is lost while this process or Prefect is away.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from infra.errors import StackError
from infra.local.address_filter import AddressFilter
from infra.local.webhook_delivery import PATH, Deliveries, Delivery, RefusedDeliveryError
from infra.local.webhook_keys import webhook_keys
from infra.prefect_api import PrefectApi
from infra.settings import load_settings

HEALTH_PATH: Final = "/health"
FLOW: Final = "watch-registry"
# A delivery has some hundred bytes.
MAX_BODY_BYTES: Final = 65_536
# A transition moves two aliases; so long the second of them is waited for.
GATHER_S: Final = 0.3
# A look that begins as soon sees the move too; one that was planned for later answers nobody now.
AT_ONCE: Final = timedelta(seconds=2)

_log = logging.getLogger(__name__)


class Looks:
    """Starts looks at lines; those that are asked for at the same moment are one.

    Args:
        prefect_api: the server that has the deployments.

    """

    def __init__(self, prefect_api: PrefectApi) -> None:
        self._prefect_api = prefect_api
        self._gathering: dict[str, asyncio.Task[str]] = {}

    async def start(self, line: str) -> str:
        """Start a look at a line, and say what was done.

        Raises:
            StackError: Prefect does not answer, or refuses.

        """
        task = self._gathering.get(line)
        if task is None:
            task = asyncio.create_task(self._start_soon(line))
            self._gathering[line] = task
        return await asyncio.shield(task)

    async def _start_soon(self, line: str) -> str:
        try:
            await asyncio.sleep(GATHER_S)
        finally:
            # What comes from here on may be moved after the look has read it.
            self._gathering.pop(line, None)
        return await asyncio.to_thread(self._start_now, line)

    def _start_now(self, line: str) -> str:
        deployment = self._prefect_api.deployments().get(f"{FLOW}/{line}")
        if deployment is None:
            return f"no deployment {FLOW}/{line}: it is no line of this stack"
        if self._prefect_api.about_to_begin(deployment, AT_ONCE):
            return f"a look at {line} is about to begin already"
        return f"look at {line} started: {self._prefect_api.start_run(deployment)}"


class Receiver:
    """The endpoint that MLflow calls."""

    def __init__(self, deliveries: Deliveries, looks: Looks) -> None:
        self._deliveries = deliveries
        self._looks = looks

    async def __call__(self, request: Request) -> Response:
        """Answer a delivery: 200 done, 401 refused, 413 too long, 503 try again."""
        try:
            body = await _body_of(request)
            if body is None:
                return PlainTextResponse("too long\n", 413)
            delivery = self._deliveries.read(_headers_of(request), body, time.time())
        except RefusedDeliveryError as error:
            _log.warning("a request was refused: %s", error)
            return PlainTextResponse(f"{error}\n", 401)
        except ClientDisconnect:
            return PlainTextResponse("gone\n", 400)
        if self._deliveries.was_taken(delivery, time.time()):
            return PlainTextResponse("this delivery was taken before\n")
        return await self._act(delivery)

    async def _act(self, delivery: Delivery) -> Response:
        said = "nothing to do"
        if delivery.line is not None:
            try:
                said = await self._looks.start(delivery.line)
            except StackError as error:
                # MLflow asks again, and the schedule finds it where that does not help either.
                _log.warning("no look at %s is started: %s", delivery.line, error)
                return PlainTextResponse("Prefect does not answer\n", 503)
            _log.info("production or previous of %s was moved: %s", delivery.line, said)
        self._deliveries.take(delivery, time.time())
        return PlainTextResponse(f"{said}\n")


async def health(_: Request) -> Response:
    """Say that this process runs."""
    return PlainTextResponse("ok\n")


def create_app(receiver: Receiver) -> Starlette:
    """The app: one path for MLflow, one for whoever looks whether it runs."""
    return Starlette(
        routes=[
            Route(PATH, receiver.__call__, methods=["POST"]),
            Route(HEALTH_PATH, health, methods=["GET"]),
        ]
    )


async def _body_of(request: Request) -> bytes | None:
    """The whole body; None where it is longer than any delivery."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _headers_of(request: Request) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def main() -> None:
    """Serve until told to end."""
    host, port = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = load_settings()
    keys = webhook_keys(settings.home)
    receiver = Receiver(Deliveries(keys.signing), Looks(PrefectApi(settings)))
    app = AddressFilter(create_app(receiver), [f"http://{host}:{port}"])
    with suppress(KeyboardInterrupt):
        uvicorn.run(app, host=host, port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
