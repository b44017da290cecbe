"""The number of an answer that is explained, by task type of those with a head on one text.

Of a label it is the log-odds, ln(p / (1 - p)): by softmax the label's output less the logarithm of
the summed exponentials of all others, by sigmoid the output itself. What is added to all outputs of
a softmax changes no answer, and no log-odds either; it would change a single output. Of a number
that a model gives it is that number, in the target's unit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class ExplainedNumber:
    """What is explained of the answers of a task type.

    Attributes:
        of_outputs: from outputs (B, L), each row's target (B,) and the model's configuration to the
            explained numbers (B,).
        of_labels: whether it is the log-odds of a label; else a number in the target's unit.

    """

    of_outputs: "Callable[[torch.Tensor, torch.Tensor, PretrainedConfig], torch.Tensor]"
    of_labels: bool = True


def why_no_explanation(task_type: str) -> str:
    """Why answers of a task type are not explained; empty where they are.

    Args:
        task_type: its name.

    """
    if task_type in EXPLAINED:
        return ""
    return (
        f"answers are explained of the task types {', '.join(EXPLAINED)}, whose models have a head "
        f"on one text, and the task_type is {task_type}"
    )


def _softmax(
    outputs: "torch.Tensor", targets: "torch.Tensor", _: "PretrainedConfig"
) -> "torch.Tensor":
    others = outputs.scatter(1, targets[:, None], float("-inf"))
    return _chosen(outputs, targets) - others.logsumexp(dim=1)


def _sigmoid(
    outputs: "torch.Tensor", targets: "torch.Tensor", _: "PretrainedConfig"
) -> "torch.Tensor":
    return _chosen(outputs, targets)


def _scaled(
    outputs: "torch.Tensor", targets: "torch.Tensor", config: "PretrainedConfig"
) -> "torch.Tensor":
    scale, mean = float(config.target_scale), float(config.target_mean)
    return _chosen(outputs, targets) * scale + mean


def _chosen(outputs: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    return outputs.gather(1, targets[:, None])[:, 0]


EXPLAINED: Final[Mapping[str, ExplainedNumber]] = {
    "classification": ExplainedNumber(_softmax),
    "multi_label": ExplainedNumber(_sigmoid),
    "regression": ExplainedNumber(_scaled, of_labels=False),
}
