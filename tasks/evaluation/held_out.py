"""The rows that a model is trained or tested on, as the evaluation reads them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from infra.errors import DataError
from tasks.resampling import Ints


@dataclass(frozen=True)
class LabelledRows:
    """Rows of one split in the order of the clean Parquet file.

    Attributes:
        truth: class ids, shape (N,).

    """

    row_ids: tuple[str, ...]
    texts: tuple[str, ...]
    truth: Ints


def read_rows(clean: Path, split: str, labels: tuple[str, ...]) -> LabelledRows:
    """Read one split of the clean rows.

    Raises:
        DataError: the split has no rows, or a row has a label outside the label set.

    """
    table = pq.read_table(
        clean, columns=["row_id", "text", "label"], filters=[("split", "=", split)]
    )
    if table.num_rows == 0:
        raise DataError(
            f"the {split} split has no rows; give it a larger share in splits, or add rows"
        )
    ids = {label: index for index, label in enumerate(labels)}
    names = table["label"].to_pylist()
    if unknown := sorted(set(names) - set(ids)):
        raise DataError(f"the {split} split has labels outside {list(labels)}: {unknown}")
    return LabelledRows(
        row_ids=tuple(table["row_id"].to_pylist()),
        texts=tuple(table["text"].to_pylist()),
        truth=np.array([ids[name] for name in names], dtype=np.int64),
    )
