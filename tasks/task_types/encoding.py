"""Texts as token ids, as fast as the tokenizer gives them, without a Python list of them all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

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


def encode_texts(texts: Any, tokenizer: Any, max_length: int) -> EncodedTexts:
    """Token ids of texts, each cut to a length.

    Args:
        texts: Arrow array of strings, N texts.
        tokenizer: a fast tokenizer of transformers.
        max_length: tokens that a text is cut to, special ones included.

    """
    import numpy as np
    import pyarrow as pa

    chunks, cut = [], []
    for batch in batches_of(texts.to_pylist()):
        encodings = encode_batch(tokenizer, batch, max_length)
        cut += [bool(encoding.overflowing) for encoding in encodings]
        ids = [encoding.ids for encoding in encodings]
        offsets = np.zeros(len(ids) + 1, np.int32)
        np.cumsum([len(one) for one in ids], out=offsets[1:])
        flat = np.fromiter((token for one in ids for token in one), np.int32, int(offsets[-1]))
        chunks.append(pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat)))
    input_ids = pa.concat_arrays(chunks) if chunks else pa.array([], pa.list_(pa.int32()))
    return EncodedTexts(input_ids, len(input_ids.values), np.array(cut, dtype=bool))


def encode_batch(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[Any]:
    """The tokenizers library's own encodings, special tokens added, each text cut to a length."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(max_length, direction=tokenizer.truncation_side)
    found: list[Any] = backend.encode_batch(texts)
    return found


def batches_of(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in runs that the tokenizer turns at once."""
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        yield texts[start : start + TEXTS_AT_ONCE]
