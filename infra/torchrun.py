"""Several processes of one job on this machine, by torch's own launcher (torchrun)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from infra.settings import Settings

# Workers that were told to end write a checkpoint first; torchrun gives them this long.
END_PATIENCE_S = 40.0
_PROJECT = Path(__file__).parents[1]


class TorchrunGroup:
    """The launcher of a running job."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def exit_code(self) -> int | None:
        """That of the launcher once all workers have ended; None while one runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """As `exit_code`, after at most so many seconds."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Ask all workers to end."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGTERM)


@contextmanager
def run_workers(
    module: str, arguments: Sequence[str], count: int, settings: Settings, log: Path
) -> Iterator[TorchrunGroup]:
    """Run a module of this project in `count` processes, which end with the block.

    When one of them is lost, the launcher ends the others. Each finds its rank and the address of
    the first as torch.distributed's ``env://`` wants them.

    Args:
        module: for example ``tasks.training.rank_process``; it must call `end_with_parent`.
        arguments: of the module.
        count: processes on this machine.
        settings: what the workers reach store and servers with.
        log: file that takes all that they print.

    """
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nnodes=1",
        f"--nproc-per-node={count}", "--max-restarts=0", "-m", module, *arguments,
    ]  # fmt: skip
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            # The pipe closes when this process ends, however it does: the workers watch it.
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings.as_environment(), "OMP_NUM_THREADS": "1"},
            cwd=_PROJECT,
            start_new_session=True,  # a signal to this process's group comes by `terminate`
        )
    group = TorchrunGroup(process)
    try:
        yield group
    finally:
        group.terminate()
        if group.wait(END_PATIENCE_S) is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdin:
            process.stdin.close()


def end_with_parent() -> None:
    """End this process when the one that started the group is gone."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    Thread(target=watch, daemon=True).start()
