"""Training examples, and how token ids become a padded batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class Example(TypedDict):
    """One row as training reads it: token ids (T,) and its class id."""

    input_ids: "NDArray[np.int32]"
    labels: int


@dataclass(frozen=True)
class Encoded:
    """Rows as token ids.

    Attributes:
        table: Arrow table with columns row_id (string), input_ids (list of int32) and labels
            (int64), in the order of the rows.
        tokens: token ids of all rows, special ones included.
        truncated: rows that were cut to the maximum length.

    """

    table: Any
    tokens: int
    truncated: int


def pad(rows: "Sequence[NDArray[np.int32] | Sequence[int]]", pad_id: int) -> "dict[str, Tensor]":
    """A batch as long as its longest row: input_ids and attention_mask, both (B, T) int64."""
    import numpy as np
    import torch

    lengths = np.array([len(row) for row in rows])
    real = np.arange(lengths.max()) < lengths[:, None]  # (B, T)
    input_ids = np.full(real.shape, pad_id, dtype=np.int64)
    input_ids[real] = np.concatenate(rows)
    return {
        "input_ids": torch.from_numpy(input_ids),
        "attention_mask": torch.from_numpy(real.astype(np.int64)),
    }
