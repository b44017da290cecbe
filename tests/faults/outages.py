"""Servers of a whole stack that are gone for a while."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx

from infra.errors import StackError
from infra.local.supervision import Supervisor
from tests.conftest import RunningStack

# Longer than any client of the servers asks again by itself.
GONE_S = 60.0
BACK_WITHIN_S = 120.0


def stop_part(stack: RunningStack, part: str) -> None:
    """Stop a server; nobody starts it again."""
    with Supervisor(stack.settings.home)._rpc() as rpc:
        rpc.stopProcess(part)


def start_part(stack: RunningStack, part: str) -> None:
    """Start a server that was stopped, and wait until it answers."""
    Supervisor(stack.settings.home).start(part)
    wait_until(lambda: answers(stack, part), BACK_WITHIN_S)


def answers(stack: RunningStack, part: str) -> bool:
    url = {
        "store": stack.settings.store_endpoint_url,
        "mlflow": f"{stack.settings.mlflow_url}/health",
        "prefect": f"{stack.settings.prefect_url}/health",
    }[part]
    with suppress(httpx.HTTPError):
        httpx.get(str(url), timeout=5)
        return True
    return False


@contextmanager
def gone(stack: RunningStack, *parts: str) -> Iterator[None]:
    """Servers that are gone for as long as the block runs."""
    for part in parts:
        stop_part(stack, part)
    try:
        yield
    finally:
        for part in parts:
            start_part(stack, part)


def wait_until(is_so: Callable[[], object], within_s: float) -> float:
    """Wait until something is so; how many seconds that took."""
    began = time.monotonic()
    while True:
        with suppress(StackError, httpx.HTTPError):  # of servers that are busy, or gone
            if is_so():
                return time.monotonic() - began
        assert time.monotonic() - began < within_s, f"not within {within_s:.0f} s"
        time.sleep(0.2)
