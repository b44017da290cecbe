"""How the threads of a torch operation wait for each other while other programs use the cores.

Torch's wheels bring libgomp. There a thread that is done with its part of an operation spins for
some milliseconds before it sleeps, since the others will be done in a moment. Where other programs
share the cores, the others may not even be running: spinning then uses up the share of the
processor that the operation itself needs.

libgomp spins for as good as no time where a process has more OpenMP threads than cores
(GOMP_SPINCOUNT in its manual). So while the threads of this process wait for cores, threads that
do nothing are held beside them, and libgomp's own rule does the rest; when the cores are free, they
are let go. No operation gets another number of threads, and so no result gets other bits.
"""

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Final

LOOK_EVERY_S: Final = 1.0
# Share of its time that a runnable thread of this process stands in the queue for a core.
MANY_WAITS: Final = 0.10
FEW_WAITS: Final = 0.03
# So many looks in a row with few waits show that the cores are free.
QUIET_LOOKS: Final = 5
# With these the user has said how threads are to wait.
_SET_BY_USER: Final = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
_TASKS: Final = Path("/proc/self/task")
# Elements of an operation that torch surely splits between threads.
_ELEMENTS: Final = 1 << 20


@contextmanager
def short_waits_under_load() -> Iterator[None]:
    """While the block runs, wait for other threads without spinning as long as cores are short.

    Nothing is done where OMP_WAIT_POLICY or GOMP_SPINCOUNT is set, and where torch has another
    runtime than libgomp.
    """
    if any(name in os.environ for name in _SET_BY_USER) or not _TASKS.is_dir():
        yield
        return
    ended = Event()
    watcher = Thread(target=_watch, args=(ended,), name="waits", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


class Contention:
    """Whether the threads of a process have to share their cores, from what they wait for them."""

    def __init__(self) -> None:
        self._before: Mapping[int, tuple[int, int]] = {}
        self._quiet_looks = 0
        self.is_seen = False

    def look(self, times: Mapping[int, tuple[int, int]]) -> bool:
        """Whether cores are short now.

        Args:
            times: nanoseconds that each thread, by its id, has run and has waited to run.

        """
        ran = waited = 0
        for thread, (run, wait) in times.items():
            run_before, wait_before = self._before.get(thread, (run, wait))
            ran += run - run_before
            waited += wait - wait_before
        self._before = times
        share = waited / (ran + waited) if ran + waited else 0.0
        self._quiet_looks = self._quiet_looks + 1 if share < FEW_WAITS else 0
        if share > MANY_WAITS:
            self.is_seen = True
        elif self._quiet_looks >= QUIET_LOOKS:
            self.is_seen = False
        return self.is_seen


class IdleTeam:
    """OpenMP threads beside those of torch's operations, which sleep until they are let go."""

    def __init__(self, runtime: ctypes.CDLL) -> None:
        self._runtime = runtime
        self._let_go = Event()
        self._thread = Thread(target=self._hold, name="idle-team", daemon=True)
        self._thread.start()

    def let_go(self) -> None:
        """End them; libgomp forgets them with the thread that made them."""
        self._let_go.set()
        self._thread.join()

    def _hold(self) -> None:
        import torch

        # As many that those of one operation and these are more than the cores.
        size = max(2, len(os.sched_getaffinity(0)) - torch.get_num_threads() + 2)
        self._runtime.omp_set_num_threads(size)  # of this thread's operations alone
        torch.zeros(_ELEMENTS).add_(1)
        self._let_go.wait()


def times_of_threads() -> dict[int, tuple[int, int]]:
    """Nanoseconds that each thread of this process has run and has waited to run."""
    found = {}
    for task in _TASKS.iterdir():
        with suppress(OSError):  # the thread has ended, or the kernel does not count
            run, wait, _ = (task / "schedstat").read_text(encoding="ascii").split()
            found[int(task.name)] = int(run), int(wait)
    return found


def torch_runtime() -> ctypes.CDLL | None:
    """The libgomp that torch runs on; None before torch is imported, or where it has none."""
    if "torch" not in sys.modules:
        return None
    import torch  # noqa: F401  # waits for an import that another thread is in the middle of

    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    mapped = (line.split(maxsplit=5)[-1] for line in maps.splitlines())
    found = {path for path in mapped if "libgomp" in path.rsplit("/", 1)[-1]}
    # Other packages bring copies of their own, which torch does not use.
    own = sorted(found, key=lambda path: "/torch/lib/" not in path)
    return ctypes.CDLL(own[0]) if own else None


def _watch(ended: Event) -> None:
    contention = Contention()
    team: IdleTeam | None = None
    while not ended.wait(LOOK_EVERY_S):
        if contention.look(times_of_threads()):
            team = team or _new_team()
        elif team:
            team.let_go()
            team = None
    if team:
        team.let_go()


def _new_team() -> IdleTeam | None:
    """A team, if torch's operations have threads that wait for each other."""
    runtime = torch_runtime()
    if runtime is None:
        return None
    import torch

    return IdleTeam(runtime) if torch.get_num_threads() > 1 else None
