"""Texts as token ids, as fast as the tokenizer gives them, without a Python list of them all."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerFast

# Texts that the tokenizer turns at once: enough to keep its threads busy, few enough for memory.
TEXTS_AT_ONCE = 1000


@dataclass(frozen=True)
class EncodedTexts:
    """Token ids of some texts.

    Attributes:
        input_ids: lists of int32, in the order of the texts.
        tokens: all of them, special ones included.
        cut: whether each text was cut, (N,).

    """

    input_ids: "pa.Array"
    tokens: int
    cut: "NDArray[np.bool_]"

    @property
    def truncated(self) -> int:
        """Texts that were cut."""
        return int(self.cut.sum())


def encode_texts(
    texts: "pa.ChunkedArray | pa.Array", tokenizer: "PreTrainedTokenizerFast", max_length: int
) -> EncodedTexts:
    """Token ids of texts, each cut to a length.

    Args:
        texts: Arrow array of strings, N texts.
        tokenizer: a fast tokenizer of transformers.
        max_length: tokens that a text is cut to, special ones included.

    """
    import numpy as np
    import pyarrow as pa

    chunks, cut = [], []
    for encodings in _encode_ahead(tokenizer, texts.to_pylist(), max_length):
        cut += [bool(encoding.overflowing) for encoding in encodings]
        ids = [encoding.ids for encoding in encodings]
        offsets = np.zeros(len(ids) + 1, np.int32)
        np.cumsum([len(one) for one in ids], out=offsets[1:])
        flat = np.fromiter(chain.from_iterable(ids), np.int32, int(offsets[-1]))
        chunks.append(pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat)))
    input_ids = pa.concat_arrays(chunks) if chunks else pa.array([], pa.list_(pa.int32()))
    return EncodedTexts(input_ids, len(input_ids.values), np.array(cut, dtype=bool))


def _encode_ahead(
    tokenizer: "PreTrainedTokenizerFast", texts: Sequence[str], max_length: int
) -> "Iterator[list[Encoding]]":
    """Encodings of each run of texts; the next run is encoded while this one is read."""
    runs = (encode_batch(tokenizer, batch, max_length, fast=True) for batch in batches_of(texts))
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, runs, None)
        while (encodings := coming.result()) is not None:
            coming = pool.submit(next, runs, None)
            yield encodings


def encode_batch(
    tokenizer: "PreTrainedTokenizerFast",
    texts: "Sequence[str] | Sequence[tuple[str, str]]",
    max_length: int,
    *,
    fast: bool = False,
) -> "list[Encoding]":
    """The tokenizers library's own encodings, special tokens added, each text cut to a length.

    Args:
        tokenizer: a fast tokenizer of transformers.
        texts: texts, or pairs of them.
        max_length: tokens that a text is cut to, special ones included.
        fast: leave the places of the tokens in the text out.

    """
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(max_length, direction=tokenizer.truncation_side)
    encode = backend.encode_batch_fast if fast else backend.encode_batch
    found: list[Encoding] = encode(texts)
    return found


def batches_of(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in runs that the tokenizer turns at once."""
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        yield texts[start : start + TEXTS_AT_ONCE]
