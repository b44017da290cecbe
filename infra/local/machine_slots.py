"""How many trainings this machine runs at once: the first size of the concurrency limit."""

import subprocess
import sys

from infra.machine import available_cores, available_memory_bytes

# Rules of thumb, so that trainings neither crawl nor run out of memory; what one needs is known
# only once its data is. ASSAYLINE_TRAININGS_AT_ONCE says what is right for lines of one's own.
CORES_PER_TRAINING = 4
MEMORY_PER_TRAINING_BYTES = 8 * 2**30
DEVICE_TIMEOUT_S = 120.0
_ASK_DEVICE = "from infra.device import pick_device; print(pick_device().name)"


def slots_of(device: str, cores: float, memory_bytes: int) -> int:
    """How many trainings may run at once; one at least.

    Args:
        device: what they run on, as torch names it. A GPU is used by one run at a time: each takes
            as much of its memory as there is, and all of the GPUs if its workers are to.
        cores: of the processor, that may be used.
        memory_bytes: that may be used.

    """
    if device != "cpu":
        return 1
    by_cores = int(cores // CORES_PER_TRAINING)
    return max(1, min(by_cores, memory_bytes // MEMORY_PER_TRAINING_BYTES))


def slots_of_this_machine() -> int:
    """The same of what this process may use of this machine."""
    cores, memory = available_cores(), available_memory_bytes()
    if slots_of("cpu", cores, memory) == 1:  # then a GPU changes nothing
        return 1
    return slots_of(_device(), cores, memory)


def _device() -> str:
    """The device that stages would use; a GPU where torch cannot say, which allows the least.

    Asked in another process, since torch takes seconds to import.
    """
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK_DEVICE],
            capture_output=True, text=True, check=True, timeout=DEVICE_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (subprocess.SubprocessError, OSError):
        return "unknown"
    return asked.stdout.strip()
