"""Processes of this project that work for another one: each takes messages and sends answers.

A worker is a module that is run by itself, and not a fork or a copy of its parent: so it has the
threads that it was given, and of its parent's memory and secrets nothing but what it is sent. Both
ends see at once when the other is gone, however it ended.
"""

import os
import queue
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, Final

from infra.model_environment import store_client_environment

END_PATIENCE_S: Final = 10.0
# What sizes the pools of threads of torch, of BLAS libraries and of the tokenizers.
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


@dataclass
class WorkerProcess:
    """A running worker, as its parent sees it.

    Attributes:
        connection: takes what is sent to it, and gives what it answers; `EOFError` or `OSError`
            where it is gone.

    """

    process: "subprocess.Popen[bytes]"
    connection: "Connection[Any, Any]"

    def end(self) -> int:
        """See that it is gone; returns its exit code, negative where a signal ended it."""
        self.connection.close()
        try:
            return self.process.wait(END_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def start_worker(module: str, threads: int) -> WorkerProcess:
    """Start a worker; keys and addresses are sent to it, and stand in no environment.

    Args:
        module: of this project; it takes its messages from `Messages`.
        threads: that it may compute in.

    """
    ours, theirs = Pipe()
    counts = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(theirs.fileno())],
            env={**store_client_environment(), **counts},
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
        )
    return WorkerProcess(process, ours)


class Messages:
    """The parent of this worker: what it sends, and how it is answered.

    The process ends at once when the parent is gone, whatever it is doing.
    """

    def __init__(self) -> None:
        self._connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
        self._received: queue.SimpleQueue[Any] = queue.SimpleQueue()
        Thread(target=self._receive, name="messages", daemon=True).start()

    def next(self) -> Any:
        """The next message, waited for."""
        return self._received.get()

    def answer(self, message: object) -> None:
        """Send something back."""
        self._connection.send(message)

    def _receive(self) -> None:
        while True:
            try:
                self._received.put(self._connection.recv())
            except (EOFError, OSError):
                os._exit(1)
