"""Memory: how much was held, and how a device says that it has none left."""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# What torch says where the CPU's allocator finds no memory; CUDA has a class of its own for it.
NO_MEMORY_WORDS = ("can't allocate memory", "not enough memory")


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device had no memory left."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in NO_MEMORY_WORDS)


def peak_memory_mb() -> float:
    """Most memory that this process held so far, of the GPU where there is one, in 10^6 bytes."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


@contextmanager
def kept_for_backward() -> Iterator[Callable[[], float]]:
    """Count what forward passes keep for backward ones, apart from parameters; on any device.

    Yields:
        The sum so far, in 10^6 bytes.

    """
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, nn.Parameter) and not (tensor.is_leaf and tensor.requires_grad):
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield lambda: sum(sizes.values()) / 1e6
