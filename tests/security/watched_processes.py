"""What a stack's processes show to others while they run: command lines, environments, files."""

import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

LOOK_EVERY_S = 0.1


class TemporaryFile(NamedTuple):
    """A file that stood in the temporary folder at some moment.

    Attributes:
        mode: of the file, and of the folder that it is in.

    """

    name: str
    mode: tuple[int, int]
    data: bytes


class Watch(threading.Thread):
    """Looks at all processes of the machine and at a stack's temporary folder, until it is stopped.

    Args:
        folder: of the stack; a process is its own whose environment, working directory or command
            names it.
        temporary: folder that it has its temporary files in.

    Attributes:
        commands: each command line of the machine.
        environments: of each process of the stack, beside its command.
        files: that stood in the temporary folder, each time that one was another.

    """

    def __init__(self, folder: Path, temporary: Path) -> None:
        super().__init__(daemon=True)
        self.commands = set[str]()
        self.environments: list[tuple[str, Mapping[str, str]]] = []
        self.files: list[TemporaryFile] = []
        self.looks = 0
        self._folder, self._temporary = folder, temporary
        self._seen = set[object]()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            for process in psutil.process_iter():
                try:
                    self._note(process)
                except psutil.Error:  # it has ended
                    continue
            self._note_files()
            self.looks += 1

    def stop(self) -> None:
        """End the thread.

        Raises:
            AssertionError: it had ended by an error, and has not looked any more.

        """
        assert self.is_alive() or self._over.is_set()
        self._over.set()
        self.join()

    def _note(self, process: psutil.Process) -> None:
        command = " ".join(process.cmdline())
        # A part is launched by a program of its own, which becomes the part's.
        if (process, command) in self._seen:
            return
        self._seen.add((process, command))
        self.commands.add(command)
        environment = process.environ()
        if any(str(self._folder) in text for text in (*environment.values(), command)):
            self.environments.append((command, environment))

    def _note_files(self) -> None:
        # What goes while it is listed is passed over.
        for path in (Path(at, name) for at, _, names in os.walk(self._temporary) for name in names):
            try:
                facts = path.lstat()
                version = (path, facts.st_mtime_ns, facts.st_size)
                if not stat.S_ISREG(facts.st_mode) or version in self._seen:
                    continue
                self._seen.add(version)
                mode = stat.S_IMODE(facts.st_mode), stat.S_IMODE(path.parent.stat().st_mode)
                name = path.relative_to(self._temporary).as_posix()
                self.files.append(TemporaryFile(name, mode, path.read_bytes()))
            except OSError:  # it is gone
                continue
