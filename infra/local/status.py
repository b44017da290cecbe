"""What each part is doing, for `assayline status`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.errors import AssaylineError
from infra.local.supervision import ProcessState, log_of

Check = Callable[[], None]


@dataclass(frozen=True)
class PartStatus:
    """A part as `status` shows it.

    `state` is one of running, starting, stopped, failed, external and unreachable.
    """

    name: str
    state: str
    address: str
    pid: int | None
    log: str | None

    @property
    def is_well(self) -> bool:
        """Whether the part can be used."""
        return self.state in {"running", "external"}


def external_status(name: str, address: str, check: Check) -> PartStatus:
    """The state of a server that the user runs elsewhere."""
    state = "external" if _is_well(check) else "unreachable"
    return PartStatus(name, state, address, None, None)


def local_status(
    name: str, address: str, home: Path, process: ProcessState | None, check: Check
) -> PartStatus:
    """The state of a part that is supervised here, asked of it as well as of supervisord."""
    log = str(log_of(home, name))
    if process is None or process.state in {"STOPPED", "STOPPING"}:
        return PartStatus(name, "stopped", address, None, log)
    if not process.is_alive:
        return PartStatus(name, "failed", address, None, log)
    state = "running" if process.state == "RUNNING" and _is_well(check) else "starting"
    return PartStatus(name, state, address, process.pid or None, log)


def _is_well(check: Check) -> bool:
    try:
        check()
    except AssaylineError:
        return False
    return True
