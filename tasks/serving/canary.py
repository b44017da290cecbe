"""A canary: which candidate is asked beside the version in production, and what of.

It answers a share of the requests, or is asked behind the back of who asked (shadow). Whatever it
does, no request is lost by it: production answers where it fails, refuses or is late. It is asked
only while ledger and registry say that its canary goes on.
"""

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from typing import Final

from tasks.records.canary import CanaryStep
from tasks.records.registry import Production
from tasks.serving.asking import ServedRequest, Tell
from tasks.serving.candidate import Candidate
from tasks.serving.loading import Refusal, VersionLoader, defect, said
from tasks.serving.recording import is_sampled
from tasks.serving.served_version import ServedVersion
from tasks.serving.shadow import Load

logger = logging.getLogger(__name__)

DIGEST_BYTES: Final = 8
NOT_RECORDED: Final = (
    "serving.record.share is 0, so that nothing of what the candidate answers would be recorded; "
    "it is asked nothing, and its canary cannot pass. Set the share above 0"
)


@dataclass(frozen=True)
class CanaryHealth:
    """What is known of a canary.

    Attributes:
        version: of the candidate; None where it is not known whether a canary goes on.
        step: its number, from 1; 0 where it is not known.
        share: of the requests that the candidate answers; 0: it is asked in shadow.
        ready: whether the candidate is asked now.
        in_doubt: why it is not known whether a canary goes on; empty where it is.
        refused: why the candidate is not asked; empty where it is, or will be once it is loaded.

    """

    version: int | None
    step: int
    share: float
    ready: bool
    in_doubt: str
    refused: str


def is_drawn(request_id: str, version: int, share: float) -> bool:
    """Whether a candidate answers a request; every server says the same of it.

    A request that is drawn stays drawn where the share grows. The draw has nothing to do with that
    of the requests that are recorded, nor with that of another candidate.
    """
    salted = f"canary of version {version}: {request_id}".encode()
    digest = int.from_bytes(hashlib.sha256(salted).digest()[:DIGEST_BYTES])
    return digest < share * 256.0**DIGEST_BYTES


class Canary:
    """Follows the canary of a line; of one event loop.

    Args:
        line: that is served.
        loader: makes the candidate ready.
        load: of the version in production, which shadow leaves the cores to.

    """

    def __init__(self, line: str, loader: VersionLoader, load: Load) -> None:
        self._line, self._loader, self._load = line, loader, load
        self._step: CanaryStep | None = None
        self._candidate: Candidate | None = None
        self._loading: asyncio.Task[None] | None = None
        self._in_doubt = ""
        self._refusal = Refusal()
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def health(self) -> CanaryHealth | None:
        """What is known now; None where no canary goes on."""
        step, in_doubt = self._step, self._in_doubt
        if step is None:
            unknown = CanaryHealth(None, 0, 0.0, ready=False, in_doubt=in_doubt, refused="")
            return unknown if in_doubt else None
        return CanaryHealth(
            step.version, step.number, step.share,
            ready=self._asked is not None and self._asked.served.is_ready,
            in_doubt=in_doubt, refused=self._refusal.why,
        )  # fmt: skip

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the candidate that is asked."""
        asked = self._asked  # read once: it may end meanwhile, and another thread reads this
        return asked.served.production.labels if asked else ()

    @property
    def _asked(self) -> Candidate | None:
        """The candidate, while its canary is known to go on."""
        return self._candidate if self._step and not self._in_doubt else None

    def served(self, version: Production) -> ServedVersion | None:
        """The candidate's processes, where it is this version and is asked."""
        asked = self._asked
        return asked.served if asked and asked.served.production == version else None

    def drawn(self, request: ServedRequest) -> Candidate | None:
        """The candidate, where it is to answer a request."""
        step = self._step
        if step is None or not request.rows or not is_drawn(request.id, step.version, step.share):
            return None
        return self._asked

    def ask_in_shadow(self, request: ServedRequest, tell: Tell) -> None:
        """Have the candidate asked as well, if it is in shadow, and that is recorded."""
        is_kept = is_sampled(request.id, self._loader.settings.record.share)
        if self._asked and request.rows and is_kept:
            self._asked.ask_in_shadow(request, tell)

    async def look(self) -> tuple[CanaryStep | None, str]:
        """The step of the canary that goes on, if one does; and why that is not known, if so."""
        try:
            return await asyncio.to_thread(self._loader.source.canary), ""
        except Exception as error:
            why = said(error)
            if why != self._in_doubt:
                logger.warning(
                    "no candidate of %s is asked, if there is one: %s", self._line, why,
                    exc_info=defect(error),
                )  # fmt: skip
            return None, why

    async def follow(self, step: CanaryStep | None, in_doubt: str = "") -> None:
        """Do as a step says: load its candidate, ask it, or end it where no canary goes on.

        Where that is in doubt the candidate waits, and is asked nothing.
        """
        self._in_doubt = in_doubt
        if not in_doubt:
            before, self._step = self._step, step
            self._log_change(before)
            if step is None or not _is_of(step, before):
                self._end_candidate()
                self._refusal.clear()
            if step and self._candidate is None:
                self._begin(step)
        await self._ask_as_now()

    async def taken_over(self, production: Production) -> ServedVersion | None:
        """The candidate, where it is the version in production by now, and answers."""
        if self._loading and self._step and self._step.version == production.version:
            await asyncio.wait((self._loading,))
        candidate = self._candidate
        if candidate is None or candidate.served.production != production:
            return None
        if not candidate.served.is_ready:
            self._end_candidate()
            return None
        self._candidate = None
        await candidate.leave()
        return candidate.served

    async def close(self) -> None:
        """End the candidate's processes, when every request was answered.

        What it was asked in shadow is not waited for: whoever tells the server to end may kill it
        soon, and what was recorded would be lost.
        """
        self._step = None
        if self._loading:
            self._loading.cancel()
            await asyncio.wait((self._loading,))
        self._end_candidate(at_once=True)
        for task in list(self._ending):
            await task

    def _begin(self, step: CanaryStep) -> None:
        if self._loader.settings.record.share == 0:
            self._refusal.why = NOT_RECORDED
        elif self._loading is None and not self._refusal.holds(_candidate_of(step)):
            self._loading = asyncio.create_task(self._load_candidate(step))

    async def _load_candidate(self, step: CanaryStep) -> None:
        try:
            version = await asyncio.to_thread(self._loader.source.candidate, step)
            served = await self._loader.load(version)
        except Exception as error:  # noqa: BLE001 - a full disk, a defect: production answers
            self._refuse(step, error)
            return
        finally:
            self._loading = None
        self._candidate = Candidate(served, self._loader)
        if not _is_of(step, self._step):  # its canary ended meanwhile
            self._end_candidate()
            return
        self._refusal.clear()
        await self._ask_as_now()

    def _refuse(self, step: CanaryStep, error: Exception) -> None:
        if not _is_of(step, self._step):
            return
        self._refusal.note(_candidate_of(step), error)
        logger.warning(
            "the candidate, version %d of %s, is asked nothing: %s",
            step.version, self._line, self._refusal.why, exc_info=defect(error),
        )  # fmt: skip
        self._count()

    async def _ask_as_now(self) -> None:
        """Begin or end shadow, and count what the candidate is."""
        if self._candidate:
            if self._asked and self._step and self._step.is_shadow:
                self._candidate.begin_shadow(self._load)
            else:
                await self._candidate.end_shadow()
        self._count()

    def _end_candidate(self, *, at_once: bool = False) -> None:
        candidate, self._candidate = self._candidate, None
        if candidate:
            task = asyncio.create_task(candidate.end(at_once=at_once))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _log_change(self, before: CanaryStep | None) -> None:
        step = self._step
        if step is None and before:
            logger.warning("the canary of version %d of %s has ended", before.version, self._line)
        elif step and step != before:
            how = "in shadow" if step.is_shadow else f"{step.share:.1%} of the requests"
            logger.warning(
                "step %d of the canary: version %d of %s is asked %s",
                step.number, step.version, self._line, how,
            )  # fmt: skip

    def _count(self) -> None:
        metrics = self._loader.metrics
        step = self._step if self._asked else None
        metrics.canary_in_doubt.set(bool(self._in_doubt))
        metrics.canary_refused.set(bool(self._refusal.why))
        metrics.canary_share.set(step.share if step else 0)
        for role in ("shadow", "canary"):
            is_now = step and step.is_shadow == (role == "shadow")
            metrics.version.labels(role).set(step.version if step and is_now else 0)


def _candidate_of(step: CanaryStep) -> tuple[int, str]:
    return step.version, step.weights_sha256


def _is_of(step: CanaryStep, other: CanaryStep | None) -> bool:
    """Whether two steps are of one candidate."""
    return other is not None and _candidate_of(step) == _candidate_of(other)
