"""How models that answer learn from preferences: direct preference optimization (`dpo`).

An example is a prompt with both of its answers, so that these are always in the same step and the
same pass. What the reference model holds of them is asked once, before training, and stands beside
the example from then on. So the loss is a mean over pairs, each for itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from infra.errors import DataError, TrainingError
from tasks.task_types.examples import IGNORED, Batch, Encoded, Example, Vocabulary, pad, pad_like
from tasks.task_types.language_models.causal_lm.learner import load_causal
from tasks.task_types.language_models.chat_turns import check_chat_template
from tasks.task_types.language_models.likelihood import next_token_labels
from tasks.task_types.language_models.preference.answer_pairs import fit_pair
from tasks.task_types.language_models.preference.dpo import dpo_loss, log_likelihoods, rewards
from tasks.task_types.language_models.template_tokens import Turn
from tasks.task_types.learner import Method
from tasks.task_types.learner_base import LearnerBase
from tasks.task_types.reference_answers import REFERENCE

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.task_types.examples import Outputs

# Which of two answers, in the order of all pairs of numbers.
SIDES = ("chosen", "rejected")


@dataclass(frozen=True, kw_only=True)
class PreferenceLearner(LearnerBase):
    """A causal language model that learns which of two answers was preferred."""

    selection_metric: ClassVar[str] = "preference_accuracy"
    methods: ClassVar[frozenset[Method]] = frozenset({"answer_pairs"})
    asked_with_control_tokens: ClassVar[bool] = True
    why_not_private: ClassVar[str] = (
        "of one prompt there may be several pairs, each of which would count as a row of its own"
    )

    def encode(self, rows: "pa.Table", tokenizer: "PreTrainedTokenizerFast") -> Encoded:
        """Columns chosen_ids and rejected_ids, and where in them the answers begin."""
        import pyarrow as pa

        check_chat_template(tokenizer)
        numbers = pa.list_(pa.int32())
        types = {"row_id": pa.string(), "chosen_ids": numbers, "rejected_ids": numbers,
                 "chosen_first": pa.int64(), "rejected_first": pa.int64()}  # fmt: skip
        kept: dict[str, list[Any]] = {name: [] for name in types}
        truncated = 0
        columns = (rows.column(name).to_pylist() for name in ("row_id", "messages", *SIDES))
        for row_id, turns, chosen, rejected in zip(*columns, strict=True):
            _check_asked(row_id, turns)
            *pair, cut = fit_pair(turns, (chosen, rejected), tokenizer, self.limits)
            truncated += cut
            kept["row_id"].append(row_id)
            for side, one in zip(SIDES, pair, strict=True):
                kept[f"{side}_ids"].append(np.asarray(one.ids, dtype=np.int32))
                kept[f"{side}_first"].append(one.first)
        table = pa.table({name: pa.array(kept[name], kind) for name, kind in types.items()})
        tokens = sum(len(ids) for side in SIDES for ids in kept[f"{side}_ids"])
        return Encoded(table, tokens, truncated)

    def load_model(self, folder: Path) -> "PreTrainedModel":
        """A base model with its language-model head; see `Learner.load_model`."""
        return load_causal(folder, self.name)

    def without_loss_settings(self) -> Self:
        """The same without label smoothing; beta is what a reward is measured in."""
        return replace(self, loss_settings=replace(self.loss_settings, flipped=0.0))

    def collate(self, examples: Sequence[Example], vocabulary: Vocabulary) -> Batch:
        """Conversations (2 B, T), the chosen before the rejected, and labels (B, 2, T).

        Beside them the reference's log-probabilities (B, 2), once they are asked.
        """
        import torch

        ids = [one[f"{side}_ids"] for side in SIDES for one in examples]
        firsts = [int(one[f"{side}_first"]) for side in SIDES for one in examples]
        asked = [next_token_labels(row, first) for row, first in zip(ids, firsts, strict=True)]
        labels = pad_like(asked, IGNORED).reshape(len(SIDES), len(examples), -1).transpose(0, 1)
        told = {"labels": labels.contiguous()}
        if REFERENCE in examples[0]:
            told[REFERENCE] = torch.from_numpy(np.stack([one[REFERENCE] for one in examples]))
        return Batch(pad(ids, vocabulary.pad_id), told)

    def loss(self, outputs: "Outputs", batch: Batch, units: "Tensor") -> "Tensor":
        """The DPO loss, a mean over pairs; see `Learner.loss`."""
        chosen, rejected = self._rewards(outputs, batch).unbind(dim=1)
        return dpo_loss(chosen - rejected, self.loss_settings.flipped).sum() / units[0]

    def outcomes(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        """Rewards of the chosen and of the rejected answer, (B, 2)."""
        return self._rewards(outputs, batch)

    def metrics(self, outcomes: NDArray[np.float64]) -> Mapping[str, float]:
        """How often, and by how much, the chosen answer has the higher reward."""
        margins = outcomes[:, 0] - outcomes[:, 1]
        return {
            "preference_accuracy": float(((np.sign(margins) + 1) / 2).mean()),
            "reward_margin": float(margins.mean()),
        }

    def _rewards(self, outputs: "Outputs", batch: Batch) -> "Tensor":
        if REFERENCE not in batch.labels:
            raise TrainingError(
                "the examples lack what the reference model holds of them; run the line anew with "
                "--refresh"
            )
        policy = pair_log_likelihoods(outputs, batch)
        return rewards(policy, batch.labels[REFERENCE], self.loss_settings.beta)


def pair_log_likelihoods(outputs: "Outputs", batch: Batch) -> "Tensor":
    """Log-probabilities (B, 2) in nats of the chosen and the rejected answers.

    Args:
        outputs: with logits (2 B, T, V).
        batch: as `PreferenceLearner.collate` makes it.

    """
    labels = batch.labels["labels"].transpose(0, 1).flatten(0, 1)  # (2 B, T)
    return log_likelihoods(outputs["logits"], labels).reshape(len(SIDES), -1).T


def _check_asked(row_id: str, turns: Sequence[Turn]) -> None:
    if not turns or turns[-1]["role"] != "user":
        roles = [turn["role"] for turn in turns]
        raise DataError(
            f"the prompt {row_id!r} has the roles {roles}; one that is answered ends with a "
            "user's turn"
        )
