"""How a model reads a changed row, told by its tokens before the model is asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from tasks.probes.robustness.drawing import Reading, Reads, Row, read_as_new
from tasks.task_types.encoding import encode_texts
from tasks.task_types.limits import TokenLimits
from tasks.task_types.rows import RowShape
from tasks.task_types.tokenizers import load_tokenizer

# Tokens that no text has: of it nothing is cut.
_NO_CUT: Final = 1 << 30


def reads_of(shape: RowShape, model: Path, limits: TokenLimits) -> Reads:
    """Reads the tokens of a task type whose models read one text; of others each row is new.

    Args:
        shape: of the task type.
        model: folder of the model and its tokenizer.
        limits: where a text is cut.

    """
    if [column.kind for column in shape.inputs] != ["text"]:
        return read_as_new
    (column,) = (one.name for one in shape.inputs)
    tokenizer = load_tokenizer(model)

    def ids(texts: Sequence[str], length: int) -> list[Any]:
        encoded = encode_texts(pa.array(texts, pa.string()), tokenizer, length)
        return list(encoded.input_ids.to_pylist())

    def read(changed: Sequence[Row], rows: Sequence[Row]) -> list[Reading]:
        if not changed:
            return []
        after, before = ([row[column] for row in side] for side in (changed, rows))
        cut = zip(ids(after, limits.max_length), ids(before, limits.max_length), strict=True)
        whole = zip(ids(after, _NO_CUT), ids(before, _NO_CUT), strict=True)
        return [
            Reading(same_tokens=one == other, behind_cut=one == other and all_one != all_other)
            for (one, other), (all_one, all_other) in zip(cut, whole, strict=True)
        ]

    return read
