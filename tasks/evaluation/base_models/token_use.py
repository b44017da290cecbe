"""How a base model's tokenizer reads the texts of a line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from tasks.evaluation.features import token_counts
from tasks.records.choice import TokenUse
from tasks.task_types.rows import RowShape, texts_of
from tasks.task_types.tokenizers import load_tokenizer, longest_text
from tasks.task_types.unspaced import UNSPACED_SHARE, unspaced_share

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# From this many positions on, transformers means that a tokenizer sets no limit.
_NO_LIMIT: Final = 1_000_000_000
_WORD: Final = re.compile(r"\S+")


def token_use(folder: Path, rows: pa.Table, shape: RowShape, max_length: int) -> TokenUse:
    """Count the tokens of rows, whatever a run would cut.

    Args:
        folder: of the base model.
        rows: of the line, one or more.
        shape: of its task type; what a person would read of a row's inputs is counted, and what is
            marked in it is not.
        max_length: tokens that a run cuts a text to, special ones included.

    Raises:
        BaseModelError: the tokenizer or the configuration cannot be read.

    """
    tokenizer = load_tokenizer(folder)
    texts = pc.fill_null(texts_of(shape, rows), "")
    counts, unknown = token_counts(texts, tokenizer)
    special = tokenizer.num_special_tokens_to_add()
    longest = longest_text(folder, tokenizer)
    context = None if longest >= _NO_LIMIT else longest - special
    unit, units = units_of(texts.to_pylist())
    return TokenUse(
        rows=rows.num_rows,
        context=context,
        per_row=float(counts.mean()),
        unknown_share=float(unknown.sum() / max(1, counts.sum())),
        unit="character" if unit == "character" else "word",
        per_unit=float(counts.sum() / max(1, units)),
        longer_share=0.0 if context is None else float((counts > context).mean()),
        cut_share=float((counts > max_length - special).mean()),
    )


def units_of(texts: Sequence[str]) -> tuple[str, int]:
    """What texts are counted in, and how many of it they have.

    Characters without spaces where most letters are of a script that sets none, else words: what
    stands between spaces.
    """
    if unspaced_share(texts) > UNSPACED_SHARE:
        return "character", sum(len("".join(text.split())) for text in texts)
    return "word", sum(len(_WORD.findall(text)) for text in texts)


def why_too_long(folder: Path, tokenizer: "PreTrainedTokenizerFast", max_length: int) -> str:
    """Why a run would refuse a base model for the length of the line's texts; empty if not."""
    longest = longest_text(folder, tokenizer)
    if max_length <= longest:
        return ""
    return f"it takes at most {longest} tokens, and tokenization.max_length is {max_length}"
