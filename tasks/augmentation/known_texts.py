"""Which texts there are already, as normalised: of every split, and of the golden sets."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.task_types.rows import RowShape, texts_of
from tasks.text_normalisation import normalise

_DIGEST_BYTES: Final = 16
_TRAIN: Final = "train"
Form = bytes


def form_of(text: str) -> Form:
    """16 bytes that texts share which differ in case, punctuation or Unicode form alone."""
    return hashlib.blake2b(normalise(text).encode(), digest_size=_DIGEST_BYTES).digest()


class KnownTexts:
    """Texts that no new row may repeat.

    Attributes:
        held_out: forms of the texts of validation, test and the golden sets.
        trained: of the training texts, and of the new rows that were taken.

    """

    def __init__(self, trained: Iterable[str], held_out: Iterable[str]) -> None:
        self.trained = {form_of(text) for text in trained}
        self.held_out = {form_of(text) for text in held_out}


def held_out_texts(clean: Path, golden: Iterable[Path], shape: RowShape) -> Iterator[str]:
    """The texts of all rows that are held out from training, part by part.

    Args:
        clean: Parquet of the clean rows with their splits.
        golden: Parquet of each golden set.
        shape: of the task type.

    """
    for path in (clean, *golden):
        with pq.ParquetFile(path, pre_buffer=False) as file:
            columns = ["split", *(column.name for column in shape.inputs)]
            for batch in file.iter_batches(columns=columns):
                rows = pa.Table.from_batches([batch])
                splits = rows["split"].to_pylist()
                for split, text in zip(splits, texts_of(shape, rows).to_pylist(), strict=True):
                    if split != _TRAIN and text:
                        yield text
