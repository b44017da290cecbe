"""Exponential moving average of the weights, kept beside those that learn."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import TrainerCallback

AVERAGE_FILE: Final = "average.safetensors"


class WeightAverage:
    """The average of the learning parameters: ``average = decay * average + (1 - decay) * now``.

    Polyak and Juditsky 1992 average over all steps; the exponential form forgets early ones.

    Attributes:
        values: by parameter name.

    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self.values: dict[str, Tensor] = {
            name: parameter.detach().clone() for name, parameter in model.named_parameters()
        }

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are after an optimizer step."""
        now = dict(self._model.named_parameters())
        for name, value in self.values.items():
            value.lerp_(now[name].detach(), 1 - self._decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the average, and its own weights again afterwards."""
        learning = {n: p.detach().clone() for n, p in self._model.named_parameters()}
        self.put(self.values)
        try:
            yield
        finally:
            self.put(learning)

    @torch.no_grad()
    def put(self, values: dict[str, Tensor]) -> None:
        """Give the model these weights."""
        for name, parameter in self._model.named_parameters():
            parameter.copy_(values[name])

    def load(self, folder: Path) -> None:
        """Read the average from a checkpoint."""
        from safetensors.torch import load_file

        loaded = load_file(folder / AVERAGE_FILE)
        for name, value in self.values.items():
            value.copy_(loaded[name])


class AverageCallback(TrainerCallback):  # type: ignore[misc]
    """Takes the weights of every step into the average."""

    def __init__(self, average: WeightAverage) -> None:
        self._average = average

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Take in the weights of the step."""
        self._average.update()
