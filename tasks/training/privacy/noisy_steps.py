"""The gradient of an optimizer step with differential privacy.

DP-SGD (Abadi et al. 2016, arXiv:1607.00133): the gradient of each row is scaled down to an L2 norm,
these are summed, and Gaussian noise in proportion to that norm is added to the sum. Each row is
carried backward by itself, whatever the layers of the model are.
"""

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from infra.errors import TrainingError
from tasks.task_types.examples import Example
from tasks.training.batching import ROW
from tasks.training.passes import Objective, Passes


def secret_noise(like: Tensor) -> Tensor:
    """Standard normal noise (float32) in the shape and place of a tensor, from no known seed."""
    generator = torch.Generator(like.device).manual_seed(secrets.randbits(63))
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=torch.float32)


@dataclass
class NoisySteps:
    """Makes the gradient of each step.

    Attributes:
        clip_norm: L2 norm C that the gradient of a row has at most.
        noise_multiplier: standard deviation of the noise over C.
        rows_expected: rows of a step in the mean, by which the sum is divided.
        noise: draws standard normal noise like a tensor.

    """

    clip_norm: float
    noise_multiplier: float
    rows_expected: float
    noise: Callable[[Tensor], Tensor] = secret_noise

    def backward(
        self,
        model: Any,
        examples: Sequence[Example],
        passes: Passes,
        objective: Objective,
        device: Any,
    ) -> list[Tensor]:
        """Set the gradient of all parameters that learn.

        Args:
            model: what learns; gradients that it has are forgotten.
            examples: of the step, those of one row one behind the other; none in an empty step.
            passes: makes passes of a row's examples.
            objective: carries a row's mean loss backward.
            device: of the model.

        Returns:
            The mean loss of the rows, without noise; 0 of none.

        Raises:
            TrainingError: the gradient of a row is no number.

        """
        parameters = [one for one in model.parameters() if one.requires_grad]
        sums = [torch.zeros_like(one, dtype=torch.float32) for one in parameters]
        losses = []
        for _, row in groupby(examples, key=lambda example: example[ROW]):
            model.zero_grad(set_to_none=True)
            step = passes.of(list(row))
            if not step.units.any():  # nothing of the row is asked, such as no word to guess
                continue
            losses.append(torch.stack(objective.backward(model, step, device)).sum())
            self._add_clipped(parameters, sums)
        scale = self.noise_multiplier * self.clip_norm
        for parameter, total in zip(parameters, sums, strict=True):
            total.add_(self.noise(total), alpha=scale).div_(self.rows_expected)
            parameter.grad = total.to(parameter.dtype)
        return [torch.stack(losses).mean()] if losses else [torch.zeros((), device=device)]

    def _add_clipped(self, parameters: Sequence[Any], sums: Sequence[Tensor]) -> None:
        """Add a row's gradient, which the parameters hold, in its clipped size."""
        pairs = [
            (one.grad, total)
            for one, total in zip(parameters, sums, strict=True)
            if one.grad is not None
        ]
        gradients = [gradient.float() for gradient, _ in pairs]
        norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))  # noqa: SLF001
        if not math.isfinite(norm):
            raise TrainingError(
                f"the gradient of a row has the norm {norm}, which cannot be clipped; lower "
                "training.learning_rate, or set training.precision to float32"
            )
        factor = min(1.0, self.clip_norm / norm) if norm > 0 else 1.0
        torch._foreach_add_([total for _, total in pairs], gradients, alpha=factor)
