"""A version on its way to serve: found, fetched, started and tried; or refused, with the reason."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.errors import AssaylineError, StoreError, TrackingError
from tasks.records.canary import CanaryStep
from tasks.records.registry import Production
from tasks.serving.metrics import ServingMetrics
from tasks.serving.served_version import ServedVersion, Trial
from tasks.serving.settings import ServingSettings

# Seconds until a version that was refused is tried again: a server may have been away.
TRY_AGAIN_S: Final = 60.0


@dataclass(frozen=True)
class VersionSource:
    """How versions of a line are found and fetched; each of these waits for servers.

    Attributes:
        production: the version in production; raises where ledger and registry do not agree.
        canary: the step of the canary that goes on; None where none does.
        candidate: the version that a canary tries, as the version in production is known.
        fetch: downloads a version below a folder, held against its manifest; its model's folder.
        trial_of: what it is asked before it serves.
        explaining: module of the process that explains a version's answers; empty where none does.

    """

    production: Callable[[], Production]
    canary: Callable[[], CanaryStep | None]
    candidate: Callable[[CanaryStep], Production]
    fetch: Callable[[Production, Path], Path]
    trial_of: Callable[[Production], Trial]
    explaining: str = ""


@dataclass(frozen=True)
class VersionLoader:
    """Makes versions ready to serve.

    Attributes:
        source: where they come from.
        settings: of the line.
        metrics: what is counted.

    """

    source: VersionSource
    settings: ServingSettings
    metrics: ServingMetrics

    async def load(self, version: Production) -> ServedVersion:
        """A version that was fetched, started and tried, and takes no rows yet.

        Raises:
            AssaylineError: it cannot be fetched, is not what was proven, or does not start.

        """
        work = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="assayline-served-"))
        served: ServedVersion | None = None
        try:
            model = await asyncio.to_thread(self.source.fetch, version, work / "version")
            trial = await asyncio.to_thread(self.source.trial_of, version)
            served = ServedVersion(
                version, work, model, trial, self.settings, self.metrics, self.source.explaining
            )
            await served.start()
        except BaseException:
            await (served.retire() if served else _remove(work))
            raise
        return served


async def _remove(folder: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


class Refusal:
    """A version that could not be made ready, until it is tried again.

    Attributes:
        why: the reason; empty where none is refused.

    """

    def __init__(self) -> None:
        self.why = ""
        self._of: object = None
        self._at = 0.0

    def note(self, of: object, error: Exception) -> None:
        """It was refused now; `of` tells it from others."""
        self.why, self._of, self._at = explained(error), of, time.monotonic()

    def clear(self) -> None:
        """None is refused."""
        self.why, self._of = "", None

    def holds(self, of: object) -> bool:
        """Whether it was refused, and is not to be tried again yet."""
        return of == self._of and time.monotonic() - self._at < TRY_AGAIN_S


def said(error: Exception) -> str:
    """An error of a look at the ledger and the registry, for a person."""
    if isinstance(error, StoreError | TrackingError):
        return f"ledger or registry cannot be asked: {error}"
    return explained(error)


def explained(error: Exception) -> str:
    """An error for a person."""
    return str(error) if isinstance(error, AssaylineError) else f"{type(error).__name__}: {error}"


def defect(error: Exception | None) -> Exception | None:
    """What a person cannot mend by its message alone, and whose traceback is logged."""
    return None if isinstance(error, AssaylineError | OSError) else error
