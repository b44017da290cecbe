"""Which stacks of this user run on this machine, so that a command finds them from any folder.

`assayline up` writes one small file for each stack into the user's state folder (on Linux
``~/.local/state/assayline/stacks``, or below XDG_STATE_HOME), `down` removes it. A stack counts
as running while its supervisord lives; what a crash or a reboot leaves is passed over, and is
removed by the next `up`.
"""

import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from platformdirs import user_state_path
from pydantic import BaseModel, ConfigDict, ValidationError

from infra.errors import StackError

# Each process of a stack carries this variable with the home folder as its value, so that it can be
# told from everything else on the machine.
MARK: Final = "ASSAYLINE_STACK_OF"


class RunningStack(BaseModel):
    """A stack that was started.

    Attributes:
        home: its folder of data, logs and keys.
        project: the folder of prefect.yaml and the flows that its worker runs.
        host: of the machine; the state folder may be shared between several.
        supervisor: the pid of the supervisord that keeps its parts alive.
        since: when `up` was last called for it.
    """

    model_config = ConfigDict(frozen=True)

    home: Path
    project: Path
    host: str
    supervisor: int
    since: datetime

    @property
    def runs_here(self) -> bool:
        """Whether its supervisord lives, on this machine."""
        return self.host == socket.gethostname() and stack_of(self.supervisor) == self.home


def running_stacks(project: Path) -> list[RunningStack]:
    """The stacks of a project that run here, the one that was started last first."""
    found = [stack for _, stack in _records() if stack.project == project and stack.runs_here]
    return sorted(found, key=lambda stack: stack.since, reverse=True)


def remember(home: Path, project: Path, supervisor: int) -> None:
    """Record a stack that runs now, readable by its user alone; drop what crashes have left.

    Raises:
        StackError: the state folder cannot be written.

    """
    for path, stack in _records():
        if stack.host == socket.gethostname() and not stack.runs_here:
            with suppress(OSError):
                path.unlink()
    stack = RunningStack(
        home=home,
        project=project,
        host=socket.gethostname(),
        supervisor=supervisor,
        since=datetime.now().astimezone(),
    )
    path = _path(home)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Such a file has mode 600 from the start, and nobody sees it half written.
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(stack.model_dump_json())
        Path(file.name).replace(path)
    except OSError as error:
        raise StackError(
            f"other folders will not find this stack without --home: {path} cannot be written "
            f"({error.strerror})"
        ) from error


def no_longer(home: Path) -> None:
    """Remove the record of a stack that has been stopped."""
    with suppress(OSError):
        _path(home).unlink()


def stack_of(pid: int) -> Path | None:
    """The home folder of the stack that a living process belongs to; None where it is of none."""
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            home = process.environ().get(MARK)
            return Path(home) if home else None
    return None


def _records() -> Iterator[tuple[Path, RunningStack]]:
    for path in sorted(_folder().glob("*.json")):
        # One that is gone, or that is none: nothing is lost, since --home finds its stack.
        with suppress(OSError, UnicodeDecodeError, ValidationError):
            if path.stat().st_uid == os.getuid():
                yield path, RunningStack.model_validate_json(path.read_text(encoding="utf-8"))


def _path(home: Path) -> Path:
    return _folder() / f"{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}.json"


def _folder() -> Path:
    return user_state_path("assayline", appauthor=False) / "stacks"
