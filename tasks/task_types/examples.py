"""Training examples, and how token ids become a padded batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

# One row as training reads it: the columns of `Encoded.table` but row_id, lists as arrays; and
# "seed", a number of its own in each epoch, from which a collation draws what is random.
Example = Mapping[str, Any]
# What a model gives, by name, such as logits.
Outputs: TypeAlias = "Mapping[str, Tensor]"
# Name of a row's seed.
SEED: Final = "seed"
# Factor on the loss of a training row, where rows do not count alike.
ROW_WEIGHT: Final = "row_weight"
# Number of the group that a training row is in, where they are weighed while a model learns; -1 of
# none.
ROW_GROUP: Final = "row_group"
# Columns of token ids, whose lengths make up the length of a row.
IDS_ENDING: Final = "_ids"
# Label of a token that the loss passes over, as in torch's cross_entropy.
IGNORED: Final = -100


class TrainingRows(Protocol):
    """All training examples, by column."""

    def column(self, name: str) -> "NDArray[Any]":
        """A column of `Encoded.table`; lists one behind the other."""


@dataclass(frozen=True)
class Encoded:
    """Rows as token ids.

    Attributes:
        table: Arrow table with row_id (string), input_ids (list of int32) and what else the task
            type's collation reads: integers, floats, and lists of either. In the order of the
            rows; a row may give several examples, or none.
        tokens: token ids of all rows, special ones included.
        truncated: rows that were cut to the maximum length, or split into several examples.

    """

    table: "pa.Table"
    tokens: int
    truncated: int


@dataclass(frozen=True)
class Vocabulary:
    """What a collation needs to know of the tokenizer.

    Attributes:
        pad_id: token that fills a batch up.
        size: token ids are below it.
        mask_id: the mask token; None where the tokenizer has none.
        special_ids: tokens that stand for no text.
        decoder_start_id: token that a decoder begins with; None where there is no decoder.

    """

    pad_id: int
    size: int
    mask_id: int | None = None
    special_ids: frozenset[int] = frozenset()
    decoder_start_id: int | None = None


@dataclass(frozen=True)
class Batch:
    """Examples as tensors, on one device.

    Attributes:
        inputs: what the model is called with, by argument name; the first dimension of each is B,
            or a multiple of it. attention_mask is among them.
        labels: what the loss compares with; the first dimension of each is B.

    """

    inputs: "dict[str, Tensor]"
    labels: "dict[str, Tensor]"

    def to(self, device: "torch.device | str") -> "Batch":
        """The same batch on another device; a plain number, as packed rows have, is on all."""
        return Batch(
            {
                name: value.to(device) if hasattr(value, "to") else value
                for name, value in self.inputs.items()
            },
            {name: value.to(device) for name, value in self.labels.items()},
        )

    @property
    def rows(self) -> int:
        """B."""
        return len(next(iter(self.labels.values())))

    @property
    def size(self) -> int:
        """Tokens, padding included."""
        return sum(ids.numel() for name, ids in self.inputs.items() if name.endswith("input_ids"))


def pad(
    rows: "Sequence[NDArray[np.integer[Any]] | Sequence[int]]", pad_id: int
) -> "dict[str, Tensor]":
    """A batch as long as its longest row: input_ids and attention_mask, both (B, T) int64."""
    import numpy as np
    import torch

    lengths = np.array([len(row) for row in rows])
    real = np.arange(lengths.max()) < lengths[:, None]  # (B, T)
    return {
        "input_ids": pad_like(rows, pad_id),
        "attention_mask": torch.from_numpy(real.astype(np.int64)),
    }


def pad_like(rows: "Sequence[NDArray[np.integer[Any]] | Sequence[int]]", filler: int) -> "Tensor":
    """Rows of integers as one tensor (B, T) int64, short ones filled up on the right."""
    import numpy as np
    import torch

    lengths = np.array([len(row) for row in rows])
    real = np.arange(lengths.max()) < lengths[:, None]  # (B, T)
    filled = np.full(real.shape, filler, dtype=np.int64)
    filled[real] = np.concatenate(rows)
    return torch.from_numpy(filled)
