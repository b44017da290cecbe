"""Which device the models run on, chosen by capability."""

from dataclasses import dataclass
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]


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


def pick_device() -> Device:
    """The best device here.

    A CUDA device runs bfloat16 where its hardware has it, else float16. A CPU runs float32: its
    bfloat16 autocast was measured slower. MPS runs float32, since its autocast lacks operators.
    """
    threads = torch.get_num_threads()
    if torch.cuda.is_available():
        return Device("cuda", "bfloat16" if torch.cuda.is_bf16_supported() else "float16", threads)
    if torch.backends.mps.is_available():
        return Device("mps", "float32", threads)
    return Device("cpu", "float32", threads)
