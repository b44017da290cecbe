"""The processes of one training, and what they tell each other beside the gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """One process of several that train one model; alone by default.

    All workers must make the same calls in the same order. What they tell each other goes over
    gloo on the CPU, so that it never waits for a GPU.

    Attributes:
        rank: of this process, from 0; the first one writes checkpoints, curves and progress.
        count: of processes.

    """

    rank: int = 0
    count: int = 1
    _group: Any = None

    @classmethod
    def of_this_job(cls) -> "Ranks":
        """The workers that torch.distributed knows of, once it has begun; else one alone."""
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return cls()
        group = None if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")
        return cls(dist.get_rank(), dist.get_world_size(), group)

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """Each value summed over the workers, the same bits everywhere."""
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total, group=self._group)
        summed: list[float] = total.tolist()
        return summed

    def any(self, *, flag: bool) -> bool:
        """Whether a worker says so."""
        return self.sum(float(flag))[0] > 0

    def least(self, value: int) -> int:
        """The least that a worker has."""
        return min(self.gather(value))

    def gather(self, value: T) -> list[T]:
        """What each worker has, by rank."""
        if self.count == 1:
            return [value]
        gathered: list[Any] = [None] * self.count
        dist.all_gather_object(gathered, value, group=self._group)
        return gathered

    def from_first(self, value: T) -> T:
        """What the first worker has."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._group)
        return box[0]

    def gather_rows(self, rows: Tensor) -> tuple[Tensor, slice]:
        """Rows (N, D) of all workers, by rank, without a graph; and which are this worker's."""
        if self.count == 1:
            return rows, slice(0, len(rows))
        parts: Sequence[Tensor] = self.gather(rows.cpu())
        start = sum(map(len, parts[: self.rank]))
        return torch.cat(list(parts)).to(rows.device), slice(start, start + len(rows))

    def wait(self) -> None:
        """Go on when all workers are here."""
        if self.count > 1:
            dist.barrier(group=self._group)


ALONE: Final = Ranks()
