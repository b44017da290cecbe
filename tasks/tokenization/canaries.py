"""Whether planted canaries fit into what the model reads, so that it can learn their secrets."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.errors import SettingsError
from tasks.records.memory import Canaries
from tasks.task_types.canary_texts import CANARY_TEXTS, MORE_TOKENS
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# Longer than any canary, so that none is cut while it is measured.
_ROOM: Final = 1_000_000


def check_canaries(
    planted: Canaries,
    path: Path,
    task_type: str,
    tokenizer: "PreTrainedTokenizerFast",
    max_length: int,
) -> None:
    """See that each canary fits, whatever digits stand in it, and with room to write them.

    Of one that is longer a secret would be cut off, or stand apart from the text before it: no
    model could learn it, and its exposure would be that of a model which remembers nothing.

    Args:
        planted: the canaries.
        path: Parquet file of their rows.
        task_type: what they are of.
        tokenizer: of the base model.
        max_length: tokens that the model reads.

    Raises:
        SettingsError: one is longer.

    """
    import pyarrow.parquet as pq

    columns = ["canary", "prefix", "secret", "rest"]
    first = {row["canary"]: row for row in pq.read_table(path, columns=columns).to_pylist()}
    canaries = list(first.values())
    whole, bare = (
        _lengths(
            [(one["prefix"], (one["secret"] if told else "") + one["rest"]) for one in canaries],
            task_type, tokenizer,
        )
        for told in (True, False)
    )  # fmt: skip
    # Other digits are a token each at most; beside them stands what may be written with them.
    needed = [
        max(own, without + planted.digits + MORE_TOKENS)
        for own, without in zip(whole, bare, strict=True)
    ]
    longest = max(range(len(needed)), key=needed.__getitem__)
    if needed[longest] > max_length:
        one = canaries[longest]
        text = f"{one['prefix']}{'0' * planted.digits}{one['rest']}"
        raise SettingsError(
            f"probes.memory.canaries: a canary such as {text!r} takes {needed[longest]} tokens "
            f"with what may be written beside its digits, and tokenization.max_length is "
            f"{max_length}, so that its secret could not be learned behind its beginning; shorten "
            f"probes.memory.canaries.format, or set tokenization.max_length to {needed[longest]} "
            "or more"
        )


def _lengths(
    texts: Sequence[tuple[str, str]], task_type: str, tokenizer: "PreTrainedTokenizerFast"
) -> list[int]:
    """Tokens of whole rows as training reads them, from what stands before and in a secret's place.

    Special tokens, and those of a chat's template, are among them.
    """
    import pyarrow as pa

    learner = learner_of(task_type, (), TokenLimits(_ROOM))
    row_of = CANARY_TEXTS.load(task_type).row
    rows = [{"row_id": f"{place}", **row_of(*text)} for place, text in enumerate(texts)]
    schema = pa.schema([("row_id", pa.string()), *_columns(task_type)])
    encoded = learner.encode(pa.Table.from_pylist(rows, schema), tokenizer).table
    return [len(ids) for ids in encoded["input_ids"].to_pylist()]


def _columns(task_type: str) -> Iterator[tuple[str, Any]]:
    return ((one.name, arrow_type(one.kind)) for one in shape_of(task_type).columns)
