"""A candidate is asked behind the back of who asked: what production answered, as long as it can.

Its work uses the same cores, so it is bounded: while production has requests to answer the
candidate is asked for a share of the time only, what does not fit in the queue is not asked at all,
and both are counted or settings.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tasks.serving.asking import Asked, ServedRequest, Tell
from tasks.serving.metrics import ServingMetrics
from tasks.serving.settings import ShadowSettings


@dataclass(frozen=True)
class _Waiting:
    request: ServedRequest
    tell: Tell


class Load:
    """Whether the version in production has requests to answer; of one event loop."""

    def __init__(self) -> None:
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        self._requests += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        self._requests -= 1
        if not self._requests:
            self._idle.set()

    async def idle(self, timeout_s: float) -> None:
        """Wait until it has none, at most so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return


class Shadow:
    """The requests that wait for a candidate in shadow, and who puts them to it, one by one.

    Args:
        ask: puts a request to the candidate; None where that says nothing of it.
        load: of the version in production.
        settings: how many may wait, and for how much of the time it is asked.

    """

    def __init__(
        self,
        ask: Callable[[ServedRequest], Awaitable[Asked | None]],
        load: Load,
        settings: ShadowSettings,
        metrics: ServingMetrics,
    ) -> None:
        self._ask, self._load, self._settings, self._metrics = ask, load, settings, metrics
        self._waiting: deque[_Waiting] = deque()
        self._rows = 0
        self._came = asyncio.Event()
        self._asking = asyncio.create_task(self._run())

    def put(self, request: ServedRequest, tell: Tell) -> None:
        """Have a request asked by and by, if there is room for it."""
        if self._rows + len(request.rows) > self._settings.max_waiting_rows:
            self._drop(request)
            return
        self._waiting.append(_Waiting(request, tell))
        self._rows += len(request.rows)
        self._came.set()

    async def close(self) -> None:
        """Ask no more; what waits is dropped."""
        self._asking.cancel()
        await asyncio.wait((self._asking,))
        while self._waiting:
            self._drop(self._waiting.popleft().request)

    def _drop(self, request: ServedRequest) -> None:
        self._metrics.shadow_dropped.inc(len(request.rows))

    async def _run(self) -> None:
        pause_s = 0.0
        while True:
            await self._came.wait()
            await self._load.idle(pause_s)
            one = self._waiting.popleft()
            self._rows -= len(one.request.rows)
            if not self._waiting:
                self._came.clear()
            began = time.monotonic()
            if asked := await self._ask(one.request):
                one.tell(asked)
            took_s = time.monotonic() - began
            pause_s = took_s * (1 / self._settings.share_of_time - 1)
