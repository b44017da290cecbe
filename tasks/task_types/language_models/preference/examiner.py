"""How models that were tuned to preferences are examined: their rewards, beside their reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.task_types.answered_sample import answer_each, answer_first
from tasks.task_types.examiner_base import ExaminerBase
from tasks.task_types.language_models.chat_model import ChatModel
from tasks.task_types.language_models.preference.answer_pairs import fit_pair
from tasks.task_types.language_models.token_scoring import check_numbers
from tasks.task_types.reference_model import ReferenceModel

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.task_types.measures import Measured


@dataclass(frozen=True, kw_only=True)
class PreferenceExaminer(ExaminerBase):
    """A causal language model that answers, and the reference that it was tuned against."""

    @property
    def answer_fields(self) -> "pa.Schema":
        """Of the answer; see `ExaminerBase.answer_fields`."""
        import pyarrow as pa

        return pa.schema([("answer", pa.string())])

    def predict(self, folder: Path, rows: "pa.Table") -> "pa.Table":
        """What model and reference hold of both answers, and the model's own in the first rows.

        The columns are chosen_ and rejected_, each with reward, policy and reference, and of the
        chosen answers divergence and tokens.
        """
        import pyarrow as pa

        from infra.transformers_logs import quiet_transformers

        prompts = rows.column("messages").to_pylist()
        with quiet_transformers():
            chat = ChatModel.load(folder, self.limits)
            columns = self._scores(folder, chat, rows)
            answers = answer_first(
                rows.column("row_id").to_pylist(), lambda row: chat.answer(prompts[row])
            )
        return pa.table({"answer": answers, **columns})

    def _scores(
        self, folder: Path, chat: ChatModel, rows: "pa.Table"
    ) -> "Mapping[str, NDArray[np.float64]]":
        from tasks.task_types.language_models.preference.pair_scores import (
            DIVERGENCE,
            POLICY,
            REFERENCE,
            TOKENS,
            score_answers,
        )
        from tasks.task_types.scoring import load_model

        told = ReferenceModel.of(folder)
        reference = load_model(told.locate(), "AutoModelForCausalLM")
        columns = (rows.column(name).to_pylist() for name in ("messages", "chosen", "rejected"))
        pairs = [
            fit_pair(turns, (chosen, rejected), chat.tokenizer, self.limits)[:2]
            for turns, chosen, rejected in zip(*columns, strict=True)
        ]
        answers = [one for side in (0, 1) for one in (pair[side] for pair in pairs)]
        found = score_answers(chat.model, reference, answers, chat.tokenizer.pad_token_id)
        check_numbers(found.sum(axis=1), folder)
        chosen, rejected = found[: len(pairs)], found[len(pairs) :]
        scores = {"divergence": chosen[:, DIVERGENCE], "tokens": chosen[:, TOKENS]}
        for side, one in (("chosen", chosen), ("rejected", rejected)):
            scores[f"{side}_reward"] = told.beta * (one[:, POLICY] - one[:, REFERENCE])
            scores[f"{side}_policy"] = one[:, POLICY]
            scores[f"{side}_reference"] = one[:, REFERENCE]
        return scores

    def answer(self, folder: Path, rows: "pa.Table") -> "pa.Array":
        """What is said to the last question of each row; see `Examiner.answer`."""
        from infra.transformers_logs import quiet_transformers

        with quiet_transformers():
            chat = ChatModel.load(folder, self.limits)
            return answer_each(rows.column("messages").to_pylist(), chat.answer)

    def measure(self, _rows: "pa.Table", answers: "pa.Table", /) -> "Measured":
        """Rewards against preferences; see `preference_measures`."""
        from tasks.task_types.language_models.preference.preference_measures import (
            measure_preferences,
        )

        return measure_preferences(answers)

    def baseline(self, train: "pa.Table", test: "pa.Table") -> "pa.Table | str":
        """The longer answer, or the shorter one, as it was preferred in the training rows."""
        from tasks.task_types.language_models.preference.preference_measures import length_baseline

        return length_baseline(train, test)
