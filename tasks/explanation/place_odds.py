"""Log-odds of answers that lie at places of a text: the tags of some words, the span of an answer.

Such an answer is given where several things hold at once: each word of an entity has its tag, or
the answer starts here and ends there. The heads judge each by itself, so that the probability of
all is the product of theirs, P, and what is explained is its log-odds, ln(P / (1 - P)). Of one
thing alone they are its own log-odds.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def joint_log_odds(log_odds: "torch.Tensor", counted: "torch.Tensor") -> "torch.Tensor":
    """Log-odds (B,) that all of K things hold.

    -ln P is the sum of ln(1 + exp(-o)) over the log-odds o, from which ln(P / (1 - P)) follows
    without a probability that rounds to 1.

    Args:
        log_odds: (B, K) of each.
        counted: (B, K) which of them count; at least one a row.

    """
    import torch
    from torch.nn.functional import softplus

    lost = softplus(-log_odds).masked_fill(~counted, 0.0).sum(dim=1)  # -ln P
    lost = lost.clamp(min=torch.finfo(lost.dtype).tiny)
    return -(lost + torch.log(-torch.expm1(-lost)))


def log_odds_of_tags(
    outputs: "torch.Tensor", targets: "torch.Tensor", _config: Any
) -> "torch.Tensor":
    """Log-odds (B,) that some tokens have these tags.

    Args:
        outputs: (B, T, L) of the head.
        targets: (B, K, 2) place and tag of each; both are -1 where a row has fewer than K.

    """
    places, tags = targets.unbind(dim=-1)
    at = outputs.gather(1, places.clamp(min=0)[..., None].expand(-1, -1, outputs.shape[-1]))
    return joint_log_odds(_against_others(at, tags.clamp(min=0)), places >= 0)


def log_odds_of_span(
    outputs: "torch.Tensor", targets: "torch.Tensor", _config: Any
) -> "torch.Tensor":
    """Log-odds (B,) that the answer starts at one token and ends at another.

    Args:
        outputs: (B, 2, T) scores of each token as the first and as the last one; of padding -inf.
        targets: (B, 2 or more) first and last token; what stands behind is not looked at.

    """
    import torch

    log_odds = _against_others(outputs, targets[:, :2])
    return joint_log_odds(log_odds, torch.ones_like(log_odds, dtype=torch.bool))


def _against_others(scores: "torch.Tensor", chosen: "torch.Tensor") -> "torch.Tensor":
    """Log-odds (B, K) by softmax of what was chosen (B, K) among scores (B, K, C)."""
    place = chosen[..., None]
    others = scores.scatter(2, place, float("-inf"))
    return scores.gather(2, place)[..., 0] - others.logsumexp(dim=2)
