"""Direct preference optimization (Rafailov et al. 2023, arXiv:2305.18290).

A model pi and the reference model pi_ref that it began with give the answer y to the prompt x the
implicit reward ``beta (log pi(y | x) - log pi_ref(y | x))`` (their equation 5, without the term of
the prompt alone, which no comparison of two answers to it has).
"""

from typing import TYPE_CHECKING

from tasks.task_types.examples import IGNORED

if TYPE_CHECKING:
    from torch import Tensor


def log_likelihoods(logits: "Tensor", labels: "Tensor") -> "Tensor":
    """Log-probability in nats of the labelled tokens of each row together, (R,) float32.

    Args:
        logits: (R, T, V).
        labels: the token after each, (R, T); IGNORED where none is asked for.

    """
    from torch.nn.functional import cross_entropy

    asked = labels != IGNORED
    lost = cross_entropy(logits[asked].float(), labels[asked], reduction="none")  # (M,)
    by_token = lost.new_zeros(labels.shape)
    by_token[asked] = -lost
    return by_token.sum(dim=-1)


def rewards(policy: "Tensor", reference: "Tensor", beta: float) -> "Tensor":
    """Implicit reward of each answer.

    Args:
        policy: log-probabilities of answers, in any shape.
        reference: likewise, of the reference model.
        beta: how dear it is to move away from the reference.

    """
    return beta * (policy - reference.to(policy.dtype))


def dpo_loss(margins: "Tensor", flipped: float = 0.0) -> "Tensor":
    """Loss of each pair: ``-(1 - e) log sigmoid(m) - e log sigmoid(-m)``.

    With e = 0 equation 7 of Rafailov et al.; above it the conservative DPO of Mitchell (2023,
    https://ericmitchell.ai/cdpo.pdf, equation 3), for preferences of which some are wrong.

    Args:
        margins: m, the reward of the chosen answer less that of the rejected one.
        flipped: e, the share of pairs that are taken to be the wrong way round.

    """
    from torch.nn.functional import logsigmoid

    return -(1 - flipped) * logsigmoid(margins) - flipped * logsigmoid(-margins)
