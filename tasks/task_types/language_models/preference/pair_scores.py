"""What a trained model and its reference hold of pairs of answers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tasks.task_types.examples import IGNORED
from tasks.task_types.language_models.likelihood import labelled_batch, next_token_labels
from tasks.task_types.language_models.preference.answer_pairs import AnsweredPrompt
from tasks.task_types.language_models.preference.dpo import log_likelihoods
from tasks.task_types.language_models.token_scoring import tokens_at_once
from tasks.task_types.scoring import batches_to_score

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

# Columns of what `score_answers` gives.
POLICY, REFERENCE, DIVERGENCE, TOKENS = range(4)
_COLUMNS: Final = 4


def score_answers(
    policy: "PreTrainedModel",
    reference: "PreTrainedModel",
    answers: Sequence[AnsweredPrompt],
    pad_id: int,
) -> NDArray[np.float64]:
    """What two models of one vocabulary hold of N answers, (N, 4).

    The columns are the log-probability of the answer (nats) by the policy and by the reference; the
    Kullback-Leibler divergence of the policy's next token from the reference's, exact over the
    vocabulary and summed over the answer's tokens; and how many these are.
    """
    import torch

    found = np.zeros((len(answers), _COLUMNS))
    lengths = [len(one.ids) for one in answers]
    budget = max(1, tokens_at_once(policy) // 2)  # the scores of both are held at once
    for places in batches_to_score(policy, lengths, budget):
        part = [answers[place] for place in places]
        labels = [next_token_labels(one.ids, one.first) for one in part]
        batch = labelled_batch([one.ids for one in part], labels, pad_id).to(policy.device)
        asked = batch.labels["labels"]
        with torch.inference_mode():
            ours, theirs = (model(**batch.inputs).logits for model in (policy, reference))
            told = [
                log_likelihoods(ours, asked),
                log_likelihoods(theirs, asked),
                divergences(ours, theirs, asked),
                (asked != IGNORED).sum(dim=1),
            ]
        found[places] = torch.stack([one.double() for one in told], dim=1).cpu().numpy()
    return found


def divergences(policy: "Tensor", reference: "Tensor", labels: "Tensor") -> "Tensor":
    """``sum over tokens of KL(policy || reference)`` of each row in nats, (R,) float32.

    Args:
        policy: logits (R, T, V).
        reference: likewise.
        labels: (R, T); IGNORED where no token is counted.

    """
    import torch
    from torch.nn.functional import kl_div

    rows = []
    for ours, theirs, wanted in zip(policy, reference, labels, strict=True):
        # One row after the other: a batch's logarithms would take as much memory as its scores.
        asked = wanted != IGNORED
        own, other = (one[asked].float().log_softmax(dim=-1) for one in (ours, theirs))
        rows.append(kl_div(other, own, reduction="sum", log_target=True))
    return torch.stack(rows)
