"""Which device the models run on, chosen by capability."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import torch

from infra.errors import SettingsError
from infra.machine import available_cores

Precision = Literal["float32", "tf32", "bfloat16", "float16"]

# Major compute capability of the first GPUs with TF32 (Ampere).
TF32_CAPABILITY: Final = 8


@dataclass(frozen=True)
class Device:
    """A device and how to use it.

    Attributes:
        name: a torch device, for example ``cuda`` or ``cpu``.
        precision: the number format of the matrix products in training.
        threads: CPU threads of one operation.

    """

    name: str
    precision: Precision
    threads: int

    def with_precision(self, precision: Precision) -> "Device":
        """The same device, used with this number format."""
        return replace(self, precision=precision)


def pick_device() -> Device:
    """The best device here.

    A CUDA device runs bfloat16 where its hardware has it, else float16. A CPU runs float32: its
    bfloat16 autocast was measured slower. MPS runs float32, since its autocast lacks operators.
    An operation takes no more threads than this process may use cores: torch knows of the affinity,
    and of no quota.
    """
    threads = min(torch.get_num_threads(), available_cores())
    if threads < torch.get_num_threads():
        torch.set_num_threads(threads)
    if torch.cuda.is_available():
        return Device("cuda", "bfloat16" if torch.cuda.is_bf16_supported() else "float16", threads)
    if torch.backends.mps.is_available():
        return Device("mps", "float32", threads)
    return Device("cpu", "float32", threads)


def precisions_of(device: Device) -> tuple[Precision, ...]:
    """Number formats that may be the fastest on a device, the usual one first."""
    if device.name == "cuda" and device.precision == "bfloat16":
        return ("bfloat16", "float32")
    if device.name == "cuda":
        return ("float16", "float32")
    # Without hardware for it, bfloat16 was measured 1.6 times slower on a CPU.
    if device.name == "cpu" and torch.cpu._is_amx_tile_supported():  # noqa: SLF001
        return ("float32", "bfloat16")
    return (device.precision,)


def check_device(device: Device, precision: str, workers: int) -> None:
    """Refuse what the device here cannot do.

    Raises:
        SettingsError: it lacks the number format, or there are fewer GPUs than workers.

    """
    if precision == "tf32" and not _has_tf32(device):
        raise SettingsError(
            "training.precision is tf32, which needs an NVIDIA GPU of compute capability "
            f"{TF32_CAPABILITY} or more, and the device is {device.name}; set it to auto or float32"
        )
    if precision == "float16" and device.name != "cuda":
        raise SettingsError(
            f"training.precision is float16, which needs a GPU, and the device is {device.name}; "
            "set it to auto or float32"
        )
    if device.name == "cuda" and workers > torch.cuda.device_count():
        raise SettingsError(
            f"training.workers is {workers}, and this machine has {torch.cuda.device_count()} "
            "GPU(s); set it to at most that"
        )


def _has_tf32(device: Device) -> bool:
    return device.name == "cuda" and torch.cuda.get_device_capability()[0] >= TF32_CAPABILITY


@contextmanager
def matrix_products(precision: Precision) -> Iterator[None]:
    """Have products of float32 matrices round to 10 bits (TF32) if that is the number format.

    Else they are whole, whatever the process did before. Autocast is another matter: it makes
    float32 matrices into bfloat16 or float16 ones.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def deterministic_algorithms() -> Iterator[None]:
    """Let torch choose operators that give the same bits each time, where it has one.

    An operator without a deterministic form on this device warns and runs, unless the process has
    told torch to refuse it. On CUDA attention's backward pass has a deterministic form that torch
    takes only when it refuses the others. cuBLAS reads its setting when the process first uses a
    CUDA device.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    refuse = before and not warn_only
    memory: Any = torch.utils.deterministic  # its switch is a property that mypy cannot see
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(mode=True, warn_only=not refuse)
    # Filling new tensors finds reads of uninitialised memory, and costs time; nothing here has any.
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=before, warn_only=warn_only)
        memory.fill_uninitialized_memory = fill
