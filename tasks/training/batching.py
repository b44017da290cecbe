"""In which order training reads its rows, and in how many passes a step takes them."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler

from infra.errors import TrainingError
from tasks.task_types.batches import fill_batches
from tasks.task_types.examples import IDS_ENDING, SEED, Example

# Number of the row that an example is of, where it is asked.
ROW = "row"
# The draw of validation, and of all rows before their first epoch.
VALIDATION_DRAW = -1
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


class TokenizedRows(Dataset[Example]):
    """One split's Arrow file, mapped into memory, with further columns of the same rows beside it.

    Attributes:
        lengths: (N,) tokens of each row, over all of its columns of token ids.
        tells_rows: whether each example has the number of its row under ROW.

    """

    def __init__(
        self, path: Path, seed: int = 0, beside: Sequence[Path] = (), rounds: int = 1
    ) -> None:
        """Map the files.

        Args:
            path: the split's file.
            seed: of what collations draw.
            beside: files of further columns, one behind the other; a column that the split has too
                takes its place, the seed of a row among them.
            rounds: how often these files hold all rows, in parts of as many files; epochs take
                turns with them.

        Raises:
            TrainingError: they are not of the same rows.

        """
        table = _mapped(path)
        own = _columns_of(table)
        size = len(beside) // rounds
        parts = [beside[size * place : size * (place + 1)] for place in range(rounds)]
        self._rounds = [own | _columns_beside(path, table, part) for part in parts]
        self._columns = self._rounds[0]
        self._length: int = table.num_rows
        self._row_ids = table.column("row_id")
        self.tells_rows = False
        self._seed, self._epoch = seed, VALIDATION_DRAW
        self.lengths = np.zeros(self._length, np.int64)
        for name in own:
            if name.endswith(IDS_ENDING):
                self.lengths += self._columns[name].sizes

    def stand_in(self, name: str, size: int) -> None:
        """Give every row so many zeros in a column, for a measurement that reads no number there.

        A column that is there stays as it is.
        """
        import pyarrow as pa

        if name not in self._columns:
            zeros = pa.FixedSizeListArray.from_arrays(
                pa.array(np.zeros(len(self) * size, np.float32)), size
            )
            self._columns[name] = _Column(pa.chunked_array([zeros.cast(pa.list_(pa.float32()))]))

    def set_epoch(self, epoch: int) -> None:
        """Give every row another seed; without this call, the seeds stay those of validation."""
        self._epoch = epoch
        self._columns = self._rounds[max(epoch, 0) % len(self._rounds)]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Example:
        drawn = hashlib.blake2b(f"{self._seed}/{self._epoch}/{index}".encode(), digest_size=8)
        example = {name: column[index] for name, column in self._columns.items()}
        if self.tells_rows:
            example[ROW] = int(self.row_numbers[index])
        return {SEED: int.from_bytes(drawn.digest()), **example}

    @cached_property
    def row_numbers(self) -> NDArray[np.int64]:
        """(N,) which row each example is of, counted from 0."""
        ids = self._row_ids.combine_chunks().dictionary_encode().indices
        return np.asarray(ids.to_numpy(zero_copy_only=False), dtype=np.int64)

    def column(self, name: str) -> NDArray[Any]:
        """All values of a column, those of lists one behind the other."""
        return self._columns[name].values()


def _columns_of(table: Any) -> "dict[str, _Column]":
    return {name: _Column(table.column(name)) for name in table.column_names if name != "row_id"}


def _columns_beside(path: Path, table: Any, files: Sequence[Path]) -> "dict[str, _Column]":
    """Further columns of the rows of a file's table."""
    import pyarrow as pa

    if not files:
        return {}
    added = pa.concat_tables([_mapped(file) for file in files])
    if not added.column("row_id").equals(table.column("row_id")):
        raise TrainingError(
            f"{files[0].parent} is not of the rows of {path}; run the line anew with --refresh"
        )
    return _columns_of(added)


def _mapped(path: Path) -> Any:
    """The table of an Arrow file, mapped into memory."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


class _Column:
    """One Arrow column as arrays that share its memory, chunk by chunk."""

    def __init__(self, column: Any) -> None:
        self._chunks: list[tuple[NDArray[Any], NDArray[np.int32] | None]] = []
        starts = [0]
        for chunk in column.chunks:
            values, offsets = _arrays(chunk)
            self._chunks.append((values, offsets))
            starts.append(starts[-1] + len(chunk))
        self._starts = np.array(starts)

    def __getitem__(self, index: int) -> Any:
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        values, offsets = self._chunks[number]
        at = index - int(self._starts[number])
        return values[at] if offsets is None else values[offsets[at] : offsets[at + 1]]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Length (N,) of each list."""
        parts = [np.diff(offsets) for _, offsets in self._chunks if offsets is not None]
        return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)

    def values(self) -> NDArray[Any]:
        parts = [
            values if offsets is None else values[offsets[0] : offsets[-1]]
            for values, offsets in self._chunks
        ]
        return np.concatenate(parts) if parts else np.zeros(0)


def _arrays(chunk: Any) -> tuple[NDArray[Any], NDArray[np.int32] | None]:
    import pyarrow as pa

    if pa.types.is_list(chunk.type):
        return chunk.values.to_numpy(zero_copy_only=False), chunk.offsets.to_numpy()
    return chunk.to_numpy(zero_copy_only=False), None


class StepSampler(BatchSampler):
    """Row numbers of each optimizer step of the epoch that was set last."""

    def __init__(self, rows: TokenizedRows, batch_size: int, seed: int) -> None:
        order: Sampler[int] = LengthSortedSampler(rows, batch_size, seed)
        super().__init__(order, batch_size, drop_last=False)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0; Trainer calls this, in a resumed epoch too."""
        assert isinstance(self.sampler, LengthSortedSampler)  # noqa: S101
        self.sampler.set_epoch(epoch)


class LengthSortedSampler(Sampler[int]):
    """Gives `length_sorted_order` of the epoch that was set last."""

    def __init__(self, rows: TokenizedRows, batch_size: int, seed: int) -> None:
        self._rows, self._batch_size, self._seed = rows, batch_size, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the order and of the rows' seeds, counted from 0."""
        self._epoch = epoch
        self._rows.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        order = length_sorted_order(self._rows.lengths, self._batch_size, self._seed, self._epoch)
        return iter(order.tolist())

    def __len__(self) -> int:
        return len(self._rows)


class StepLoader(DataLoader[Any]):
    """Gives the examples of one optimizer step after the other, as they are.

    Every worker of several reads all examples of a step and takes its share of them; so the steps
    are the same for any number of workers.
    """

    def __init__(self, rows: TokenizedRows, sampler: StepSampler) -> None:
        super().__init__(rows, batch_sampler=sampler, collate_fn=as_step)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0; Trainer calls this."""
        sampler = self.batch_sampler
        assert isinstance(sampler, StepSampler)  # noqa: S101
        sampler.set_epoch(epoch)


def as_step(examples: list[Example]) -> dict[str, list[Example]]:
    """A step's examples under the one name that the trainer reads."""
    return {"examples": examples}


def length_of(example: Example) -> int:
    """Tokens of an example, over all of its columns of token ids."""
    columns = (ids for name, ids in example.items() if name.endswith(IDS_ENDING))
    return sum(map(len, columns))


def in_passes(examples: Sequence[Example], budget: int) -> list[list[Example]]:
    """Examples in passes of like length within a budget of padded tokens, longest ones first.

    An example that is longer than the budget makes a pass of its own.
    """
    lengths = [length_of(example) for example in examples]
    return [[examples[row] for row in rows] for rows in fill_batches(lengths, budget)]


def in_packed_passes(examples: Sequence[Example], budget: int) -> list[list[Example]]:
    """Examples in passes within a budget of real tokens, longest ones first.

    An example that is longer than the budget makes a pass of its own.
    """
    passes: list[list[Example]] = []
    filled = budget
    for example in sorted(examples, key=length_of, reverse=True):
        if not passes or filled + length_of(example) > budget:
            passes.append([])
            filled = 0
        passes[-1].append(example)
        filled += length_of(example)
    return passes


def share_of(examples: Sequence[Example], worker: int, workers: int) -> list[Example]:
    """One worker's share of a step: of each length about as many rows as the others have."""
    by_length = sorted(examples, key=length_of, reverse=True)
    return by_length[worker::workers]
