"""How models that answer in a conversation are examined: likelihood and likeness of answers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.task_types.answered_sample import answer_each, answer_first
from tasks.task_types.examiner_base import ExaminerBase
from tasks.task_types.examples import IGNORED
from tasks.task_types.language_models.chat_model import ChatModel
from tasks.task_types.language_models.chat_turns import (
    ASSISTANT,
    fit_conversation,
    next_written,
    special_ids,
)
from tasks.task_types.language_models.token_scoring import (
    check_numbers,
    score_tokens,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class ChatExaminer(ExaminerBase):
    """A causal language model that answers."""

    @property
    def answer_fields(self) -> "pa.Schema":
        """Of the answer; see `ExaminerBase.answer_fields`."""
        import pyarrow as pa

        return pa.schema([("answer", pa.string())])

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Log-likelihood of the answers in every row, and the model's own in the first rows."""
        import pyarrow as pa

        from infra.transformers_logs import quiet_transformers
        from tasks.task_types.language_models.language_measures import likelihood_table

        chats = rows.column("messages").to_pylist()
        with quiet_transformers():
            chat = ChatModel.load(folder, self.limits)
            tokenizer = chat.tokenizer
            read = [
                fit_conversation(turns, tokenizer, self.limits.max_length)[0] for turns in chats
            ]
            special = special_ids(tokenizer)
            wanted = [next_written(conversation, special) for conversation in read]
            ids = [conversation.ids for conversation in read]
            nll, tokens, _ = score_tokens(chat.model, ids, wanted, tokenizer.pad_token_id).T
            check_numbers(nll, folder)
            texts = [tokenizer.decode(one[one != IGNORED]) for one in wanted]
            answers = answer_first(
                rows.column("row_id").to_pylist(), lambda row: chat.answer(chats[row])
            )
        return pa.table({"answer": answers, **likelihood_table(nll, tokens, texts)})

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """What is said to the last question of each row; see `Examiner.answer`."""
        from infra.transformers_logs import quiet_transformers

        with quiet_transformers():
            chat = ChatModel.load(folder, self.limits)
            return answer_each(rows.column("messages").to_pylist(), chat.answer)

    def measure(self, rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """Bits per byte and perplexity of the answers, and how like those that were given are."""
        from dataclasses import replace

        from tasks.task_types.language_models.answer_measures import answer_measures
        from tasks.task_types.language_models.language_measures import measure_likelihood

        found = measure_likelihood(answers)
        chats = rows.column("messages").to_pylist()
        given: list[str | None] = [None] * len(chats)
        if "answer" in answers.column_names:
            given = [
                None if one is None else json.loads(one)["answer"]
                for one in answers.column("answer").to_pylist()
            ]
        answers_own = answer_measures([turns[-1]["content"] for turns in chats], given)
        return replace(
            found,
            measures=(*found.measures, *answers_own),
            leading=(*found.leading, *(one.name for one in answers_own)),
        )

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """Answers as single characters, by their shares in the training answers."""
        from tasks.task_types.language_models.language_measures import character_baseline

        return character_baseline(*(_answers_of(rows) for rows in (train, test)))


def _answers_of(rows: "pa.Table") -> list[str]:
    return [
        "".join(turn["content"] for turn in turns if turn["role"] == ASSISTANT)
        for turns in rows.column("messages").to_pylist()
    ]
