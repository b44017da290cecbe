"""How much each neuron and each layer matters to the loss, measured on training examples.

A gate of 1 stands at each of them. The gradient of an example's loss with respect to a gate says
to first order what the loss would change by if it were shut; the mean of its absolute value over
the examples is the importance (Michel, Levy and Neubig 2019, arXiv:1905.10650, equation 2, of
heads; Molchanov et al. 2017, arXiv:1611.06440, of neurons). One gate for each example in a batch
gives each example's own gradient in one backward pass.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError, TrainingError
from tasks.task_types.batches import fill_batches
from tasks.task_types.examples import Vocabulary
from tasks.task_types.learner import Learner
from tasks.task_types.scoring import token_budget
from tasks.training.batching import TokenizedRows
from tasks.training.layer_stacks import stack_of
from tasks.training.pruning.structure import LAYERS, feed_forwards

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Importance:
    """Mean absolute gradient of the loss with respect to each gate.

    Attributes:
        layers: (L,).
        neurons: (L, N); (L, 0) where none were asked about.

    """

    layers: NDArray[np.float64]
    neurons: NDArray[np.float64]


def importance_of(
    model: Any,
    learner: Learner,
    rows: TokenizedRows,
    numbers: Sequence[int],
    vocabulary: Vocabulary,
    *,
    of_neurons: bool,
) -> Importance:
    """What each layer, and each neuron of its feed-forward network, matters to the loss.

    Args:
        model: of transformers; it is asked without dropout, and its weights stay.
        learner: whose loss it is, fitted to the rows.
        rows: training examples.
        numbers: of those that are asked about.
        vocabulary: of the model.
        of_neurons: whether the neurons are asked about.

    Raises:
        BaseModelError: the model's layers are of a form that is not known.
        TrainingError: a gradient is no number.

    """
    lengths = rows.lengths[list(numbers)].tolist()
    model.eval().requires_grad_(requires_grad=False)
    sums: list[NDArray[np.float64]] = []
    for places in fill_batches(lengths, token_budget(model)):
        examples = [rows[numbers[place]] for place in places]
        batch = learner.collate(examples, vocabulary).to(model.device)
        with _gates(model, len(examples), of_neurons=of_neurons) as gates:
            units = learner.units(batch)
            # Each example by itself: the sum over them, and not the mean of a step.
            loss = learner.loss(model(**batch.inputs), batch, units.new_ones(units.shape))
        sums.append(_absolute_slopes(loss, gates))
    mean = np.sum(sums, axis=0) / len(numbers)
    if not np.isfinite(mean).all():
        raise TrainingError(
            "the gradient of the loss of the trained model is no number, so that nothing can be "
            "told of what matters in it; lower training.learning_rate, or leave pruning out"
        )
    return Importance(mean[:, 0], mean[:, 1:])


@contextmanager
def _gates(model: Any, examples: int, *, of_neurons: bool) -> "Iterator[list[Tensor]]":
    """While it is asked, gates of each layer (B, 1, 1 + N): its own, and those of its neurons."""
    import torch

    _, stack = stack_of(model, *LAYERS)
    networks = feed_forwards(model) if of_neurons else []
    width = networks[0].out_of.in_features if networks else 0
    gates = [
        torch.ones(examples, 1, 1 + width, device=model.device, requires_grad=True) for _ in stack
    ]
    with ExitStack() as hooks:
        for layer, gate in zip(stack, gates, strict=True):
            hooks.callback(layer.register_forward_hook(_beside(gate), with_kwargs=True).remove)
        for network, gate in zip(networks, gates, strict=False):
            hooks.callback(network.out_of.register_forward_pre_hook(_before(gate)).remove)
        yield gates


def _before(gate: "Tensor") -> Callable[..., "tuple[Tensor]"]:
    """Multiplies what the neurons give, (B, T, N)."""

    def shut(_module: Any, inputs: "tuple[Tensor]") -> "tuple[Tensor]":
        _refuse_other_forms(inputs[0], gate)
        return (inputs[0] * gate[..., 1:],)

    return shut


def _beside(gate: "Tensor") -> Callable[..., Any]:
    """Multiplies what a layer adds to its input, (B, T, H), so that 0 is the model without it."""

    def shut(_module: Any, inputs: Any, named: dict[str, Any], outputs: Any) -> Any:
        given = inputs[0] if inputs else named["hidden_states"]
        _refuse_other_forms(given, gate)
        own = gate[..., :1]
        if isinstance(outputs, tuple):
            return (given + own * (outputs[0] - given), *outputs[1:])
        return given + own * (outputs - given)

    return shut


def _refuse_other_forms(states: "Tensor", gate: "Tensor") -> None:
    if states.dim() != gate.dim() or len(states) != len(gate):
        raise BaseModelError(
            f"its layers take states of the form {tuple(states.shape)}, and pruning knows (rows, "
            "tokens, width); leave pruning out"
        )


def _absolute_slopes(loss: "Tensor", gates: "Sequence[Tensor]") -> NDArray[np.float64]:
    """Of the gates of each layer, the sum over the examples of absolute gradients, (L, 1 + N)."""
    import torch

    found = torch.autograd.grad(loss, list(gates), materialize_grads=True)
    # (B, 1, 1 + N) each
    return np.stack([one.abs().sum(dim=0)[0].double().cpu().numpy() for one in found])
