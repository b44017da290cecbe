"""Work beside the training: a checkpoint goes to disk and store while the next steps run."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class BackgroundWriter:
    """Runs one job at a time on a thread of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._running: Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._running is not None and not self._running.done()

    def submit(self, job: Callable[[], None]) -> None:
        """Start a job when the one before it has ended, and raise what that one raised."""
        self.wait()
        self._running = self._pool.submit(job)

    def wait(self) -> None:
        """Wait for the job that is under way, and raise what it raised."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def close(self) -> None:
        """End the thread after its last job; what that raises is lost, and `wait` comes first."""
        self._pool.shutdown(wait=True)


def copy_to_memory(state: Any) -> Any:
    """The same nested state with every tensor copied to the CPU's memory."""
    from accelerate.utils.operations import recursively_apply

    return recursively_apply(lambda tensor: tensor.detach().to("cpu", copy=True), state)
