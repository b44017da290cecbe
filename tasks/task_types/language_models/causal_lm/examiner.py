"""How causal language models are examined: the likelihood of whole texts, in windows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.task_types.answered_sample import answer_each, answer_first
from tasks.task_types.encoding import TEXTS_AT_ONCE
from tasks.task_types.examiner_base import ExaminerBase
from tasks.task_types.language_models.blocks import bounds_of, cut_into_blocks, plain_ids
from tasks.task_types.language_models.continuation import write_greedily
from tasks.task_types.language_models.likelihood import next_token_labels
from tasks.task_types.language_models.token_scoring import (
    check_numbers,
    score_tokens,
)
from tasks.task_types.limits import TokenLimits

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.measures import Measured

CONTINUATION_TOKENS = 32


@dataclass(frozen=True, kw_only=True)
class CausalLmExaminer(ExaminerBase):
    """The next token of a text."""

    @property
    def answer_fields(self) -> "pa.Schema":
        """Of the answer; see `ExaminerBase.answer_fields`."""
        import pyarrow as pa

        return pa.schema(
            [
                ("continuation", pa.string()),
                ("mean_log_likelihood", pa.float64()),
                ("tokens", pa.int64()),
            ]
        )

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Log-likelihood of every text, and the continuation of the first ones."""
        import pyarrow as pa

        from infra.transformers_logs import quiet_transformers
        from tasks.task_types.language_models.language_measures import likelihood_table

        texts = rows.column("text").to_pylist()
        with quiet_transformers():
            reader = _Reader.load(folder, self.limits)
            nll, tokens = reader.score(texts)
            answers = answer_first(
                rows.column("row_id").to_pylist(),
                lambda row: reader.answer(texts[row], nll[row], tokens[row]),
            )
        return pa.table({"answer": answers, **likelihood_table(nll, tokens, texts)})

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """The likelihood of each text, and its continuation; see `Examiner.answer`."""
        from infra.transformers_logs import quiet_transformers

        texts = rows.column("text").to_pylist()
        with quiet_transformers():
            reader = _Reader.load(folder, self.limits)
            scored = list(zip(texts, *reader.score(texts), strict=True))
            return answer_each(scored, lambda one: reader.answer(*one))

    def measure(self, _rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """Bits per byte and perplexity; see `language_measures`."""
        from tasks.task_types.language_models.language_measures import measure_likelihood

        return measure_likelihood(answers)

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """Texts as single characters, by their shares in the training texts."""
        from tasks.task_types.language_models.language_measures import character_baseline

        return character_baseline(train.column("text").to_pylist(), test.column("text").to_pylist())


@dataclass(frozen=True)
class _Reader:
    """A model with its tokenizer, and the token that every text begins with."""

    folder: Path
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerFast"
    limits: TokenLimits
    start: int

    @classmethod
    def load(cls, folder: Path, limits: TokenLimits) -> "_Reader":
        from tasks.task_types.scoring import load_model
        from tasks.task_types.tokenizers import load_tokenizer

        tokenizer = load_tokenizer(folder)
        model = load_model(folder, "AutoModelForCausalLM")
        return cls(folder, model, tokenizer, limits, bounds_of(tokenizer)[0])

    def score(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Negative log-likelihood and tokens of each text, (N,) both."""
        nll, tokens = np.zeros(len(texts)), np.zeros(len(texts))
        for first in range(0, len(texts), TEXTS_AT_ONCE):
            part = slice(first, first + TEXTS_AT_ONCE)
            found = [self._ids(ids) for ids in plain_ids(texts[part], self.tokenizer)]
            pad_id = self.tokenizer.pad_token_id
            nll[part], tokens[part] = _score(self.model, found, pad_id, self.limits)
        check_numbers(nll, self.folder)
        return nll, tokens

    def answer(self, text: str, nll: float, tokens: float) -> str:
        """What the served model answers to a text that was scored."""
        ids = self._ids(plain_ids([text], self.tokenizer)[0])
        said = write_greedily(
            self.model, self.tokenizer, ids, self.limits.max_length, CONTINUATION_TOKENS
        )
        told = {
            "continuation": said,
            "mean_log_likelihood": -nll / tokens if tokens else None,
            "tokens": int(tokens),
        }
        return json.dumps(told, ensure_ascii=False)

    def _ids(self, ids: Sequence[int]) -> list[int]:
        return [self.start, *ids]


def _score(
    model: "PreTrainedModel", texts: Sequence[Sequence[int]], pad_id: int, limits: TokenLimits
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Negative log-likelihood and tokens of each text, over all of its windows."""
    shared = max(limits.stride, 1)
    windows, wanted, owners = [], [], []
    for place, ids in enumerate(texts):
        for number, window in enumerate(cut_into_blocks(ids, limits.max_length, shared)):
            windows.append(window)
            wanted.append(next_token_labels(window, shared if number else 1))
            owners.append(place)
    sums = score_tokens(model, windows, wanted, pad_id)
    nll, tokens = (
        np.bincount(owners, sums[:, column], minlength=len(texts)).astype(np.float64)
        for column in (0, 1)
    )
    return nll, tokens
