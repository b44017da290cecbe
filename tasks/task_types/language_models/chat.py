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

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from infra.errors import DataError
from tasks.task_types.answered_sample import answer_first
from tasks.task_types.base import SERVED
from tasks.task_types.examples import IGNORED, Batch, Encoded, Example, Vocabulary
from tasks.task_types.language_models.causal_lm import CausalLm
from tasks.task_types.language_models.chat_turns import (
    ASSISTANT,
    Conversation,
    Turn,
    check_chat_template,
    drop_oldest,
    end_tokens,
    prompt_ids,
    read_conversation,
    special_ids,
)
from tasks.task_types.language_models.continuation import tokens_to_write, write_greedily
from tasks.task_types.language_models.likelihood import (
    check_numbers,
    labelled_batch,
    score_tokens,
)

if TYPE_CHECKING:
    from tasks.task_types import TokenLimits
    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class Chat(CausalLm):
    """A causal language model that answers."""

    name: str = "chat"
    few: bool = True
    served: Path | None = SERVED / "chat.py"

    def encode(
        self,
        rows: Any,
        tokenizer: Any,
        labels: Sequence[str],  # noqa: ARG002
        reading: "TokenLimits",
    ) -> Encoded:
        """Columns input_ids and labels, the next token where an assistant wrote it."""
        import pyarrow as pa

        check_chat_template(tokenizer)
        kept: dict[str, list[Any]] = {"row_id": [], "input_ids": [], "labels": []}
        truncated = 0
        columns = (rows.column(name).to_pylist() for name in ("row_id", "messages"))
        for row_id, turns in zip(*columns, strict=True):
            _check_answer(row_id, turns)
            conversation, cut = fit_conversation(turns, tokenizer, reading.max_length)
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
        """A padded batch; see `TaskType.collate`."""
        ids, labels = ([one[name] for one in examples] for name in ("input_ids", "labels"))
        return labelled_batch(ids, labels, vocabulary.pad_id)

    def predict(
        self,
        folder: Path,
        rows: Any,
        labels: Sequence[str],  # noqa: ARG002
        reading: "TokenLimits",
    ) -> Any:
        """Log-likelihood of the answers in every row, and the model's own in the first rows."""
        import pyarrow as pa

        from infra.base_models import quiet_transformers
        from tasks.task_types.language_models.language_measures import likelihood_table
        from tasks.task_types.scoring import load_model
        from tasks.task_types.tokenizers import load_tokenizer

        chats = rows.column("messages").to_pylist()
        with quiet_transformers():
            tokenizer = load_tokenizer(folder)
            check_chat_template(tokenizer)
            model = load_model(folder, "AutoModelForCausalLM")
            read = [fit_conversation(turns, tokenizer, reading.max_length)[0] for turns in chats]
            special = special_ids(tokenizer)
            wanted = [next_written(conversation, special) for conversation in read]
            ids = [conversation.ids for conversation in read]
            nll, tokens, _ = score_tokens(model, ids, wanted, tokenizer.pad_token_id).T
            check_numbers(nll, folder)
            texts = [tokenizer.decode(one[one != IGNORED]) for one in wanted]
            ends = end_tokens(tokenizer)

            def answer(place: int) -> str:
                asked = fit_prompt(chats[place], tokenizer, reading)
                said = write_greedily(
                    model, tokenizer, asked, reading.max_length, _answer_tokens(reading), ends
                )
                return json.dumps({"answer": said}, ensure_ascii=False)

            answers = answer_first(rows.column("row_id").to_pylist(), answer)
        return pa.table({"answer": answers, **likelihood_table(nll, tokens, texts)})

    def measure(self, rows: Any, answers: Any, labels: Sequence[str]) -> "Measured":  # noqa: ARG002
        """Bits per byte and perplexity of the answers, and chrF of those that were given."""
        from dataclasses import replace

        from tasks.task_types.language_models.answer_measures import answer_chrf
        from tasks.task_types.language_models.language_measures import measure_likelihood

        found = measure_likelihood(answers)
        chats = rows.column("messages").to_pylist()
        given: list[str | None] = [None] * len(chats)
        if "answer" in answers.column_names:
            given = [
                None if one is None else json.loads(one)["answer"]
                for one in answers.column("answer").to_pylist()
            ]
        chrf = answer_chrf([turns[-1]["content"] for turns in chats], given)
        return replace(found, measures=(*found.measures, chrf))

    def baseline(
        self,
        train: Any,
        test: Any,
        labels: Sequence[str],  # noqa: ARG002
        seed: int,  # noqa: ARG002
    ) -> Any:
        """Answers as single characters, by their shares in the training answers."""
        from tasks.task_types.language_models.language_measures import character_baseline

        return character_baseline(*(_answers_of(rows) for rows in (train, test)))


def fit_conversation(
    turns: Sequence[Turn], tokenizer: Any, max_length: int
) -> tuple[Conversation, bool]:
    """A conversation within a length, and whether something of it had to go."""
    conversation = read_conversation(turns, tokenizer)
    kept: Sequence[Turn] | None = turns
    while len(conversation.ids) > max_length and kept and (kept := drop_oldest(kept)):
        conversation = read_conversation(kept, tokenizer)
    short = Conversation(conversation.ids[-max_length:], conversation.written[-max_length:])
    return short, kept is not turns or len(short.ids) < len(conversation.ids)


def fit_prompt(turns: Sequence[Turn], tokenizer: Any, reading: "TokenLimits") -> list[int]:
    """The conversation up to its last question, with room for the answer."""
    room = reading.max_length - tokens_to_write(reading.max_length, _answer_tokens(reading))
    kept = turns[:-1] if turns[-1]["role"] == ASSISTANT else turns
    ids = prompt_ids(kept, tokenizer)
    while len(ids) > room and (shorter := drop_oldest(kept)):
        kept = shorter
        ids = prompt_ids(kept, tokenizer)
    return ids[-room:]


def next_written(conversation: Conversation, but: frozenset[int] = frozenset()) -> Any:
    """The token after each (T,), where an assistant wrote it; IGNORED elsewhere.

    Args:
        conversation: T tokens.
        but: tokens that are not asked for.

    """
    ids = np.asarray(conversation.ids, dtype=np.int64)
    asked = np.asarray(conversation.written, dtype=bool) & ~np.isin(ids, list(but))
    labels = np.full(len(ids), IGNORED, dtype=np.int64)
    labels[:-1][asked[1:]] = ids[1:][asked[1:]]
    return labels


def _answer_tokens(reading: "TokenLimits") -> int:
    return reading.max_target_length or reading.max_length


def _answers_of(rows: Any) -> list[str]:
    return [
        "".join(turn["content"] for turn in turns if turn["role"] == ASSISTANT)
        for turns in rows.column("messages").to_pylist()
    ]


def _check_answer(row_id: str, turns: Sequence[Turn]) -> None:
    if not turns or turns[-1]["role"] != ASSISTANT:
        roles = [turn["role"] for turn in turns]
        raise DataError(
            f"the conversation {row_id!r} has the roles {roles}; one that is learnt from ends with "
            "an answer of the assistant"
        )
