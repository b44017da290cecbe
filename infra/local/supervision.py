"""The supervisord that keeps the parts alive, over its XML-RPC on a unix socket."""

import hashlib
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import time
import xmlrpc.client  # nosec B411
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from infra.errors import StackError
from infra.local.orphans import wait_for_end
from infra.local.parts import Part
from infra.local.private_files import FOLDER_MODE, make_folder, write_private
from infra.running_stacks import MARK

# A unix socket's path has at most 108 bytes, and supervisord first makes it with its pid behind.
SOCKET_PATH_BYTES = 95
START_TIMEOUT_S = 20.0
END_TIMEOUT_S = 20.0
POLL_S = 0.05
SAID_CHARACTERS = 400
_DO_NOT_WAIT = False
# One that has exited is started anew at supervisord's next look.
ALIVE = frozenset({"STARTING", "RUNNING", "BACKOFF", "EXITED"})

# supervisord runs in the home folder and takes these paths from there: it expands what stands in a
# configuration, a path's percent signs too, and some of it twice.
_HEAD = """\
[unix_http_server]
file={socket}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisord]
logfile=logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile=supervisord.pid
childlogdir=logs
umask=077
"""
# Nothing starts by itself: `up` starts each part when what it needs is there.
_PROGRAM = """
[program:{name}]
command={command}
autostart=false
autorestart=true
startsecs=1
startretries=3
stopasgroup=true
killasgroup=true
stopwaitsecs={stop_wait_s}
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


@dataclass(frozen=True)
class ProcessState:
    """What supervisord says about a part's process: its state in capitals, and its pid or 0."""

    name: str
    state: str
    pid: int
    started_at: float

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or is about to."""
        return self.state in ALIVE


def log_of(home: Path, part: str) -> Path:
    """Where a part's output goes."""
    return home / "logs" / f"{part}.log"


def spec_of(home: Path, part: str) -> Path:
    """Where a part's command and environment stand."""
    return home / "parts" / f"{part}.json"


def socket_of(home: Path) -> Path:
    """The socket in the home folder, or in a short folder of its own where that path is too long.

    Raises:
        StackError: the short folder belongs to somebody else.

    """
    inside = home / "supervisor.sock"
    if len(os.fsencode(inside)) <= SOCKET_PATH_BYTES:
        return inside
    short = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"assayline-{os.getuid()}-{short}"
    make_folder(folder)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        raise StackError(
            f"{folder} belongs to somebody else; set ASSAYLINE_HOME to a folder with a shorter path"
        )
    folder.chmod(FOLDER_MODE)
    return folder / "supervisor.sock"


class Supervisor:
    """The supervisord of one home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.socket = socket_of(home)
        self._config = home / "supervisord.conf"

    def states(self) -> dict[str, ProcessState] | None:
        """Each part's process, by name; None where supervisord does not run."""
        if not self.socket.exists():
            return None
        try:
            with self._rpc() as rpc:
                found = rpc.getAllProcessInfo()
        except (OSError, HTTPException):
            return None
        return {
            entry["name"]: ProcessState(
                entry["name"], entry["statename"], entry["pid"], float(entry["start"])
            )
            for entry in found
        }

    def pid(self) -> int | None:
        """Of supervisord itself; None where it does not run."""
        try:
            with self._rpc() as rpc:
                return int(rpc.getPID())
        except (OSError, HTTPException):
            return None

    def configure(self, parts: Iterable[Part]) -> None:
        """Write what is to be supervised; stop what is no longer, or what has changed."""
        text = self._write_config(parts)
        running = self.states() is not None
        if running and self._config.is_file() and self._config.read_text("utf-8") == text:
            return
        write_private(self._config, text)
        if running:
            self._reload()

    def ensure_running(self) -> None:
        """Start supervisord unless it runs; the processes outlive this one and its shell.

        Raises:
            StackError: it does not start.

        """
        if self.states() is not None:
            return
        self.socket.unlink(missing_ok=True)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", self._config.name]
        started = subprocess.run(
            command,
            env={**os.environ, MARK: str(self.home)},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.states() is None:
            if started.returncode != 0 or time.monotonic() > deadline:
                said = (started.stdout + started.stderr).strip()[:SAID_CHARACTERS]
                raise StackError(
                    f"supervisord does not start: {said or 'it does not answer'} "
                    f"(its log: {log_of(self.home, 'supervisord')})"
                )
            time.sleep(POLL_S)

    def start(self, part: str) -> None:
        """Start a part unless it is alive."""
        states = self.states() or {}
        if part in states and not states[part].is_alive:
            with self._explained(part), self._rpc() as rpc:
                rpc.startProcess(part, _DO_NOT_WAIT)

    def shut_down(self) -> None:
        """Stop the worker first, so that a run's last words reach Prefect; then all, at once.

        Waits until supervisord has ended, but not for one that hangs.
        """
        states = self.states()
        if states is None:
            return
        with self._explained("the stack"), self._rpc() as rpc:
            pid = rpc.getPID()
            if "worker" in states and states["worker"].is_alive:
                rpc.stopProcess("worker")
            rpc.stopAllProcesses()
            rpc.shutdown()
        wait_for_end(pid, END_TIMEOUT_S)

    def _write_config(self, parts: Iterable[Part]) -> str:
        make_folder(self.home / "parts")
        make_folder(self.home / "logs")
        inside = self.socket.parent == self.home
        blocks = [_HEAD.format(socket=self.socket.name if inside else self.socket)]
        for part in parts:
            spec = spec_of(self.home, part.name)
            write_private(spec, part.spec)
            where = str(spec.relative_to(self.home))
            launch = [sys.executable, "-m", "infra.local.launch", where, part.digest]
            blocks.append(
                _PROGRAM.format(
                    name=part.name,
                    command=shlex.join(launch).replace("%", "%%"),
                    stop_wait_s=part.stop_wait_s,
                )
            )
        return "".join(blocks)

    def _reload(self) -> None:
        with self._explained("the new configuration"), self._rpc() as rpc:
            added, changed, removed = rpc.reloadConfig()[0]
            for group in [*changed, *removed]:
                rpc.stopProcessGroup(group)
                rpc.removeProcessGroup(group)
            for group in [*added, *changed]:
                rpc.addProcessGroup(group)

    @contextmanager
    def _rpc(self) -> Iterator[Any]:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            yield proxy.supervisor

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except (xmlrpc.client.Fault, OSError, HTTPException) as error:
            said = error.faultString if isinstance(error, xmlrpc.client.Fault) else str(error)
            raise StackError(
                f"supervisord refuses {what}: {said} (its log: "
                f"{log_of(self.home, 'supervisord')}); run `assayline down`, then `assayline up`"
            ) from error
