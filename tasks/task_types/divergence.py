"""How far a student's distribution lies from its teacher's, at a temperature."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def softened_divergence(student: "Tensor", teacher: "Tensor", temperature: float) -> "Tensor":
    """Kullback-Leibler divergence of softened classes, times the squared temperature, (...).

    ``T^2 KL(softmax(teacher / T) || softmax(student / T))``, in nats. Its gradient falls as one
    over T^2, so that the factor keeps it as large as that of the labels (Hinton, Vinyals and Dean
    2015, arXiv:1503.02531, section 2).

    Args:
        student: logits (..., L), in float32.
        teacher: likewise.
        temperature: T, above 0.

    """
    from torch.nn.functional import kl_div, log_softmax

    ours, theirs = (log_softmax(one / temperature, dim=-1) for one in (student, teacher))
    apart = kl_div(ours, theirs, reduction="none", log_target=True)
    return apart.sum(dim=-1) * temperature**2


def softened_binary_divergence(
    student: "Tensor", teacher: "Tensor", temperature: float
) -> "Tensor":
    """The same of a yes or no with one logit each, elementwise."""
    from torch.nn.functional import logsigmoid

    ours, theirs = student / temperature, teacher / temperature
    yes = theirs.sigmoid() * (logsigmoid(theirs) - logsigmoid(ours))
    no = (-theirs).sigmoid() * (logsigmoid(-theirs) - logsigmoid(-ours))
    return (yes + no) * temperature**2
