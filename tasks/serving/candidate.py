"""A candidate that was loaded beside the version in production, and how it is asked."""

import asyncio
import logging
import time
from typing import Any

from tasks.records.recorded_requests import Role
from tasks.serving.asking import Asked, Failure, ServedRequest, Tell, ask, of_one_version
from tasks.serving.loading import VersionLoader
from tasks.serving.served_version import ServedVersion
from tasks.serving.shadow import Load, Shadow
from tasks.serving.waiting_rows import (
    Answered,
    AnswerFailedError,
    CandidateRows,
    NotAskedError,
    QueueFullError,
    UnansweredError,
)

logger = logging.getLogger(__name__)


class Candidate:
    """A candidate's processes, and the requests that wait for it; of one event loop.

    Args:
        served: its processes, which take no rows yet.
        loader: that made it ready.

    """

    def __init__(self, served: ServedVersion, loader: VersionLoader) -> None:
        self.served = served
        self._settings, self._metrics = loader.settings, loader.metrics
        self._rows = CandidateRows(self._settings.batch, self._settings.max_waiting_rows)
        served.serve(self._rows, "canary")
        self._shadow: Shadow | None = None

    async def answer(self, request: ServedRequest, tell: Tell) -> list[Answered] | None:
        """Its answers; None where production is to answer. What it made of it, `tell` is told."""
        answered, error = await self._ask(request)
        if answered or error:
            tell(self._asked("canary", answered, error, request.began))
        return answered or None

    def ask_in_shadow(self, request: ServedRequest, tell: Tell) -> None:
        """Have it asked by and by, if it is in shadow."""
        if self._shadow:
            self._shadow.put(request, tell)

    def begin_shadow(self, load: Load) -> None:
        """Ask it as long as the version in production has time; see `Shadow`."""
        self.served.role = "shadow"
        if not self._shadow:
            settings = self._settings.canary.shadow
            self._shadow = Shadow(self._ask_behind, load, settings, self._metrics)

    async def end_shadow(self) -> None:
        """Ask nothing more in shadow."""
        self.served.role = "canary"
        shadow, self._shadow = self._shadow, None
        if shadow:
            await shadow.close()

    async def leave(self) -> None:
        """Take no more rows as a candidate: production answers those that wait."""
        await self.end_shadow()
        self._rows.refuse_all("the canary has ended")

    async def end(self, *, at_once: bool = False) -> None:
        """Answer what was taken, and end the processes; see `ServedVersion.retire`."""
        await self.leave()
        await self.served.retire(at_once=at_once)

    async def _ask_behind(self, request: ServedRequest) -> Asked | None:
        began = time.perf_counter()
        answered, error = await self._ask(request)
        return self._asked("shadow", answered, error, began) if answered or error else None

    async def _ask(self, request: ServedRequest) -> tuple[list[Answered], Failure]:
        """Its answers, or what became of them; neither where that says nothing of the candidate."""
        if not self.served.is_ready:
            return [], "unanswered"  # its process ended, and is being started again
        try:
            async with asyncio.timeout(self._settings.candidate_timeout_s):
                answered = await ask(self._rows, self.served.tokens, request.rows)
        except (QueueFullError, NotAskedError):
            return [], ""
        except (UnansweredError, TimeoutError):
            return [], "unanswered"
        except AnswerFailedError:
            return [], "failed"
        except Exception:
            logger.exception("version %d fails", self.served.production.version)
            return [], "failed"
        return (answered, "") if of_one_version(answered) else ([], "")

    def _asked(self, role: Role, answered: list[Answered], error: Failure, began: float) -> Asked:
        answers: tuple[Any, ...] = tuple(one.answer for one in answered)
        return Asked(role, self.served.production, answers, error, time.perf_counter() - began)
