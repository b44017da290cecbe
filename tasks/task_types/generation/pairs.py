"""Pairs of a source and a target text as token ids."""

from typing import TYPE_CHECKING

from infra.errors import BaseModelError, SettingsError
from tasks.task_types.encoding import batches_of, encode_batch
from tasks.task_types.examples import Encoded

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerFast


def encode_pairs(
    rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast", max_length: int, max_target_length: int
) -> Encoded:
    """Columns row_id, input_ids and target_ids; a target ends with the end token, cut or not.

    Args:
        rows: Arrow table with row_id, source and target, no value missing.
        tokenizer: a fast tokenizer of transformers.
        max_length: tokens that a source is cut to, special ones included.
        max_target_length: tokens that a target is cut to, special ones included.

    Raises:
        BaseModelError: the tokenizer has no token that ends a text.
        SettingsError: the model takes no target of this length.

    """
    import pyarrow as pa

    end = end_id(tokenizer)
    if max_target_length > tokenizer.model_max_length:
        raise SettingsError(
            f"tokenization.max_target_length is {max_target_length}, and the base model takes at "
            f"most {tokenizer.model_max_length} tokens; set it to that or less"
        )
    ends_itself = encode_batch(tokenizer, ["a"], max_target_length)[0].ids[-1:] == [end]
    room = max_target_length if ends_itself else max_target_length - 1
    input_ids: list[list[int]] = []
    target_ids: list[list[int]] = []
    truncated = 0
    texts = [rows.column(name).to_pylist() for name in ("source", "target")]
    for sources, targets in zip(*map(batches_of, texts), strict=True):
        read = encode_batch(tokenizer, sources, max_length)
        written = encode_batch(tokenizer, targets, room)
        input_ids += [one.ids or [end] for one in read]
        target_ids += [one.ids if ends_itself else [*one.ids, end] for one in written]
        truncated += sum(
            bool(one.overflowing or other.overflowing)
            for one, other in zip(read, written, strict=True)
        )
    table = pa.table(
        {
            "row_id": rows.column("row_id"),
            "input_ids": pa.array(input_ids, pa.list_(pa.int32())),
            "target_ids": pa.array(target_ids, pa.list_(pa.int32())),
        }
    )
    return Encoded(table, sum(map(len, input_ids)) + sum(map(len, target_ids)), truncated)


def end_id(tokenizer: "PreTrainedTokenizerFast") -> int:
    """The token that ends a text: eos, or sep of a tokenizer in BERT's manner.

    Raises:
        BaseModelError: there is neither.

    """
    end = tokenizer.eos_token_id
    end = tokenizer.sep_token_id if end is None else end
    if end is None:
        raise BaseModelError(
            "the base model's tokenizer has no end token, by which a writing model knows when to "
            "stop; name an eos_token in its tokenizer_config.json"
        )
    return int(end)
