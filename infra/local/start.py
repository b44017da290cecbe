"""The start of the parts, as one `up` sees it: who was launched, and who is up by now."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from infra.local import health
from infra.local.parts import Part
from infra.local.supervision import POLL_S, Supervisor, log_of

MAX_DEATHS = 3  # of one part, while `up` waits for it


@dataclass(frozen=True)
class Arrival:
    """A part that is up: where, after how many seconds, and how it came to be.

    `how` is started, running (it was up before) or external (the user runs it elsewhere).
    """

    name: str
    address: str
    seconds: float
    how: str


Progress = Callable[[Arrival], None]


class Start:
    """The start of the parts: who was launched when, and who is up."""

    def __init__(
        self,
        supervisor: Supervisor,
        parts: Mapping[str, Part],
        timeout_s: float,
        progress: Progress,
    ) -> None:
        self._supervisor = supervisor
        self._parts = parts
        self._timeout_s = timeout_s
        self._progress = progress
        self._began = time.monotonic()
        self._launched: set[str] = set()

    def launch(self, name: str) -> None:
        """Start a part of the plan unless it is alive."""
        if name not in self._parts:
            return
        process = (self._supervisor.states() or {}).get(name)
        if process is not None and not process.is_alive:
            self._launched.add(name)
            self._supervisor.start(name)

    def wait(self, name: str, is_well: Callable[[], bool]) -> None:
        """Wait until a part of the plan is well, and report it.

        Raises:
            StackError: it ends, dies again and again, or does not answer in time.

        """
        if name not in self._parts:
            return
        part, pids = self._parts[name], set[int]()
        deadline = time.monotonic() + self._timeout_s
        while not is_well():
            self._give_up_on(part, pids, deadline)
            time.sleep(POLL_S)
        how = "started" if name in self._launched else "running"
        self._progress(Arrival(name, part.address, time.monotonic() - self._began, how))

    def _give_up_on(self, part: Part, pids: set[int], deadline: float) -> None:
        log = log_of(self._supervisor.home, part.name)
        process = (self._supervisor.states() or {}).get(part.name)
        if process is None or not process.is_alive:
            state = process.state if process else "gone"
            raise health.not_healthy(part, log, f"does not start (supervisord says {state})")
        pids.add(process.pid)
        if len(pids - {0}) > MAX_DEATHS:
            raise health.not_healthy(part, log, "dies again and again while it starts")
        if time.monotonic() > deadline:
            raise health.not_healthy(
                part,
                log,
                f"did not answer within {self._timeout_s:.0f} s (ASSAYLINE_START_TIMEOUT_S)",
            )
