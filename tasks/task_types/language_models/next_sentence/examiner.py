"""How models of next sentences are examined."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError
from tasks.task_types.answered_sample import answer_each, answer_first
from tasks.task_types.examiner_base import ExaminerBase
from tasks.task_types.examples import Batch
from tasks.task_types.language_models.sentence_pairs import pair_sentences

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from tasks.task_types.examples import Outputs
    from tasks.task_types.language_models.pair_scoring import PairScorer
    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class NextSentenceExaminer(ExaminerBase):
    """Whether a sentence follows another, and the hidden words of both."""

    @property
    def answer_fields(self) -> "pa.Schema":
        """Of the answer; see `ExaminerBase.answer_fields`."""
        import pyarrow as pa

        return pa.schema([("next_probabilities", pa.list_(pa.float64()))])

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """Sums over the pairs of each document, and the order of the first ones."""
        from tasks.task_types.language_models.pair_measures import pair_table
        from tasks.task_types.language_models.pair_scoring import PairScorer

        texts, row_ids = (rows.column(name).to_pylist() for name in ("text", "row_id"))
        scorer = PairScorer.load(folder, self.limits.max_length)
        pairs = pair_sentences(texts, row_ids)
        found = scorer.score(pairs)
        table = pair_table(pairs, found[:, 0], found[:, 1:], len(texts))
        answers = answer_first(row_ids, lambda row: _answer(scorer, texts[row]))
        return table.add_column(0, "answer", answers)

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """The order of the sentences of each document; see `Examiner.answer`."""
        from tasks.task_types.language_models.pair_scoring import PairScorer

        scorer = PairScorer.load(folder, self.limits.max_length)
        return answer_each(rows.column("text").to_pylist(), lambda text: _answer(scorer, text))

    def measure(self, _rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """Accuracy of both tasks, and the perplexity of hidden tokens."""
        from tasks.task_types.language_models.pair_measures import measure_pairs

        return measure_pairs(answers)

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """Sentences that share words follow each other; hidden words are the most frequent one."""
        from tasks.task_types.language_models.pair_measures import shared_words_baseline

        known, asked = (
            pair_sentences(rows.column("text").to_pylist(), rows.column("row_id").to_pylist())
            for rows in (train, test)
        )
        return shared_words_baseline(known, asked, test.num_rows)


def _answer(scorer: "PairScorer", text: str) -> str:
    return json.dumps(scorer.order(text), ensure_ascii=False)


def _follow_loss(outputs: "Outputs", batch: Batch) -> "Tensor":
    """Cross-entropy of each pair, (B,)."""
    from torch.nn.functional import cross_entropy

    logits = outputs["seq_relationship_logits"].float()  # (B, 2)
    return cross_entropy(logits, batch.labels["follows"], reduction="none")


def _check_segments(segments: Sequence[NDArray[np.int32]]) -> None:
    if segments and not any(one.any() for one in segments):
        raise BaseModelError(
            "the base model's tokenizer does not tell the second of two sentences from the first "
            "(token_type_ids); next_sentence needs a model such as BERT, others masked_lm"
        )
