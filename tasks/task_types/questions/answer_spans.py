"""Which tokens of a window answer a question, by the scores of a model's two heads."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor

# Tokens of an answer at most.
MAX_ANSWER_TOKENS: Final = 64
# Score of a token that cannot begin or end an answer: below that of any that can.
NEVER: Final = -10_000.0


@dataclass(frozen=True)
class BestSpans:
    """The best answer of each of B windows.

    Attributes:
        scores: (B,) of the span, start and end together.
        null: (B,) of there being no answer in the window, likewise.
        first: (B,) the span's first token.
        last: (B,) its last one.

    """

    scores: "Tensor"
    null: "Tensor"
    first: "Tensor"
    last: "Tensor"


def best_spans(starts: "Tensor", ends: "Tensor", can_answer: "Tensor", null: "Tensor") -> BestSpans:
    """The span of at most MAX_ANSWER_TOKENS with the highest sum of both scores.

    Of equal spans the shortest is taken. SQuAD's way with a model that may say that there is no
    answer (Devlin et al. 2019, section 4.3).

    Args:
        starts: score (B, T) of each token as the first one of the answer.
        ends: as the last one.
        can_answer: (B, T) which tokens are of the context, and no blank.
        null: (B,) place of the token that stands for no answer.

    """
    import torch

    rows = torch.arange(len(starts), device=starts.device)
    null_scores = starts[rows, null] + ends[rows, null]
    starts = starts.masked_fill(~can_answer, NEVER)
    ends = ends.masked_fill(~can_answer, NEVER)
    scores = torch.full_like(null_scores, 2 * NEVER)
    first, last = torch.zeros_like(null), torch.zeros_like(null)
    for more in range(min(MAX_ANSWER_TOKENS, starts.shape[1])):
        sums = starts[:, : starts.shape[1] - more] + ends[:, more:]
        highest, place = sums.max(dim=1)
        better = highest > scores
        scores = torch.where(better, highest, scores)
        first = torch.where(better, place, first)
        last = torch.where(better, place + more, last)
    return BestSpans(scores, null_scores, first, last)
