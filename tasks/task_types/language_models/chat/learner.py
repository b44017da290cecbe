"""Instruction tuning: an assistant's answers in conversations, and nothing else, are learnt.

A conversation is written as the base model's chat template does. One that is longer than the
maximum length loses its oldest questions with their answers, never its system turn; if the last
question and answer are too long by themselves, they are cut from the left.

Evaluation scores the text of all answers, without end tokens, and lets the model answer the last
question of the first rows, which chrF compares with the answer there.

Served: column ``messages`` (role and content) to ``{"answer": str}``, always the likeliest token
next, up to max_target_length tokens (0: max_length) and at most half of max_length. An assistant's
turn at the end is left out, and answered anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from infra.errors import DataError
from tasks.task_types.examples import Batch, Encoded, Example, Vocabulary
from tasks.task_types.language_models.causal_lm.learner import CausalLmLearner
from tasks.task_types.language_models.chat_turns import (
    ASSISTANT,
    check_chat_template,
    fit_conversation,
    next_written,
)
from tasks.task_types.language_models.likelihood import (
    labelled_batch,
)
from tasks.task_types.language_models.template_tokens import Turn

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, kw_only=True)
class ChatLearner(CausalLmLearner):
    """A causal language model that answers."""

    few: ClassVar[bool] = True

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns input_ids and labels, the next token where an assistant wrote it."""
        import pyarrow as pa

        check_chat_template(tokenizer)
        kept: dict[str, list[Any]] = {"row_id": [], "input_ids": [], "labels": []}
        truncated = 0
        columns = (rows.column(name).to_pylist() for name in ("row_id", "messages"))
        for row_id, turns in zip(*columns, strict=True):
            _check_answer(row_id, turns)
            conversation, cut = fit_conversation(turns, tokenizer, self.limits.max_length)
            truncated += cut
            wanted = next_written(conversation)
            kept["row_id"].append(row_id)
            kept["input_ids"].append(np.asarray(conversation.ids, dtype=np.int32))
            kept["labels"].append(wanted)
        numbers = pa.list_(pa.int32())
        types = {"row_id": pa.string(), "input_ids": numbers, "labels": numbers}
        table = pa.table({name: pa.array(kept[name], kind) for name, kind in types.items()})
        return Encoded(table, sum(map(len, kept["input_ids"])), truncated)

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """A padded batch; see `Learner.collate`."""
        ids, labels = ([one[name] for one in examples] for name in ("input_ids", "labels"))
        return labelled_batch(ids, labels, vocabulary.pad_id)


def _check_answer(row_id: str, turns: Sequence[Turn]) -> None:
    if not turns or turns[-1]["role"] != ASSISTANT:
        roles = [turn["role"] for turn in turns]
        raise DataError(
            f"the conversation {row_id!r} has the roles {roles}; one that is learnt from ends with "
            "an answer of the assistant"
        )
