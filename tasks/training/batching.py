"""In which order training reads its rows, and in how many passes a step takes them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from tasks.task_types.examples import Example
from tasks.task_types.scoring import fill_batches

Batch = dict[str, Tensor]

# Rows are sorted by length within shuffled windows of this many batches. Smaller windows pad more
# (one batch is Trainer's random order, measured 1.6 times slower); larger ones mix the rows of a
# batch less from epoch to epoch.
WINDOW_BATCHES = 64


def length_sorted_order(
    lengths: NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Row numbers (N,) of one epoch: every run of `batch_size` rows is one batch of like length.

    Each row comes once. The order follows from the arguments alone, so that a resumed epoch goes
    on in the same order. A short last batch, where there is one, stays last.
    """
    rng = np.random.default_rng([seed, epoch])
    rows = rng.permutation(len(lengths))
    window = WINDOW_BATCHES * batch_size
    for start in range(0, len(rows), window):
        part = rows[start : start + window]
        rows[start : start + window] = part[np.argsort(lengths[part], kind="stable")]
    whole = len(rows) // batch_size * batch_size
    batches = rows[:whole].reshape(-1, batch_size)
    return np.concatenate([batches[rng.permutation(len(batches))].ravel(), rows[whole:]])


class LengthSortedSampler(Sampler[int]):
    """Gives `length_sorted_order` of the epoch that was set last."""

    def __init__(self, lengths: NDArray[np.int64], batch_size: int, seed: int) -> None:
        self._lengths, self._batch_size, self._seed = lengths, batch_size, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0; the data loader calls this."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = length_sorted_order(self._lengths, self._batch_size, self._seed, self._epoch)
        return iter(order.tolist())

    def __len__(self) -> int:
        return len(self._lengths)


class StepCollator:
    """Turns the rows of an optimizer step into passes of like length within a token budget.

    Attributes:
        budget: most padded tokens of a pass; a longer row makes a pass of its own.

    """

    def __init__(
        self, collate: Callable[[Sequence[Example]], Mapping[str, Tensor]], budget: int
    ) -> None:
        self._collate = collate
        self.budget = budget

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """The passes, longest rows first, and the labels of all, which Trainer counts."""
        lengths = [len(example["input_ids"]) for example in examples]
        passes = [
            dict(self._collate([examples[row] for row in rows]))
            for rows in fill_batches(lengths, self.budget)
        ]
        labels = torch.cat([one["labels"].flatten() for one in passes])
        return {"passes": passes, "labels": labels}


def halve(batch: Batch) -> tuple[Batch, Batch]:
    """The first and the last rows of a pass of at least two, padded no longer than they need."""
    rows = len(batch["labels"])
    return _trimmed(batch, slice(0, rows // 2)), _trimmed(batch, slice(rows // 2, rows))


def _trimmed(batch: Batch, rows: slice) -> Batch:
    mask = batch["attention_mask"][rows]
    longest, padded = int(mask.sum(dim=1).max()), mask.shape[1]
    return {
        name: value[rows, :longest] if value.dim() > 1 and value.shape[1] == padded else value[rows]
        for name, value in batch.items()
    }


class TokenizedRows(Dataset[Example]):
    """One split's Arrow file, mapped into memory.

    Attributes:
        lengths: (N,) tokens of each row.
        labels: (N,) class ids.

    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all().combine_chunks()
        self._ids, offsets = _flat(table.column("input_ids"))
        self._offsets = offsets
        self.labels: NDArray[np.int64] = table.column("labels").to_numpy()
        self.lengths = np.diff(offsets).astype(np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Example:
        begin, end = self._offsets[index], self._offsets[index + 1]
        return Example(input_ids=self._ids[begin:end], labels=int(self.labels[index]))


def _flat(column: Any) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Values and offsets (N + 1,) of an Arrow list column."""
    if column.num_chunks == 0:
        return np.zeros(0, np.int32), np.zeros(1, np.int32)
    lists = column.chunk(0)
    return lists.values.to_numpy(), lists.offsets.to_numpy()
