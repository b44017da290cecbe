"""The forward and backward passes of an optimizer step.

However a step's rows are split into passes and over workers, its loss and gradient are those of
all of its rows in one padded batch.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tasks.task_types.examples import ROW_WEIGHT, Batch, Example, Outputs, Vocabulary
from tasks.task_types.hidden_states import HiddenStates
from tasks.task_types.learner import Learner
from tasks.task_types.soft_labels import SOFT, SoftLabels
from tasks.training.batching import in_packed_passes, in_passes, share_of
from tasks.training.group_dro import GroupAdversary
from tasks.training.packing import Packing
from tasks.training.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Step:
    """What one worker does of an optimizer step.

    Attributes:
        batches: its passes, the longest rows first; at least one.
        examples: how many each pass has.
        units: (U,) what the loss is a mean over, of all workers' rows.
        counted: how many of the passes count; the others keep the worker in step.

    """

    batches: list[Batch]
    examples: list[int]
    units: Tensor
    counted: int


@dataclass(frozen=True)
class Taught:
    """What a teacher adds to the loss.

    Attributes:
        soft_labels: of the task type.
        weight: share of the soft loss; the learner's own has the rest.
        states: the loss on hidden states; None without one.
        states_weight: its factor.

    """

    soft_labels: SoftLabels
    weight: float
    states: HiddenStates | None = None
    states_weight: float = 0.0

    @property
    def also_asked(self) -> dict[str, bool]:
        """With what the student is called beside the inputs of a batch."""
        return {"output_hidden_states": True} if self.states else {}

    def beside(self, batch: Batch, examples: Sequence[Example]) -> Batch:
        """A batch with what the teacher said of its examples; as it is where it said nothing."""
        if not any(name.startswith(SOFT) for name in examples[0]):
            return batch  # validation is by labels alone
        soft = self.soft_labels.collate(examples, batch) if self.weight else {}
        states = self.states.collate(examples, batch) if self.states else {}
        return Batch(batch.inputs, {**batch.labels, **soft, **states})

    def units(self, own: Tensor, batch: Batch) -> Tensor:
        """What the losses are means over: the learner's own (U,), and tokens of hidden states."""
        return torch.cat([own, self.states.units(batch)]) if self.states else own

    def mixed(self, learner: Learner, outputs: Outputs, batch: Batch, units: Tensor) -> Tensor:
        """Both losses by their shares (Hinton, Vinyals and Dean 2015, section 2), and the third."""
        own = units[:-1] if self.states else units
        loss = (1 - self.weight) * learner.loss(outputs, batch, own)
        loss = loss + self.soft(outputs, batch, own)
        if self.states:
            loss = loss + self.states_weight * self.states.loss(outputs, batch, units[-1])
        return loss

    def soft(self, outputs: Outputs, batch: Batch, units: Tensor) -> Tensor | float:
        """The soft loss by its share; 0 where there is none."""
        return self.weight * self.soft_labels.loss(outputs, batch, units) if self.weight else 0.0


class Passes:
    """Turns the examples of an optimizer step into one worker's passes.

    Attributes:
        budget: most tokens of a pass, padding included; a longer row makes a pass of its own.
        packing: how the rows of a pass become one; None where they stand side by side.

    """

    def __init__(
        self,
        learner: Learner,
        vocabulary: Vocabulary,
        budget: int,
        *,
        worker: int = 0,
        workers: int = 1,
        even: bool = False,
        taught: Taught | None = None,
        adversary: GroupAdversary | None = None,
    ) -> None:
        """`even`: all workers take as many passes, as a sharded model needs it."""
        self._taught, self._adversary = taught, adversary
        self._learner, self._vocabulary = learner, vocabulary
        self._worker, self._workers, self._even = worker, workers, even
        self.budget = budget
        self.packing: Packing | None = None

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Examples as one padded batch."""
        batch = self._learner.collate(examples, self._vocabulary)
        if self._adversary:
            batch = self._adversary.beside(batch, examples)
        return self._taught.beside(batch, examples) if self._taught else batch

    def _packed(self, batch: Batch) -> Batch:
        return self.packing.pack(batch) if self.packing else batch

    def _units(self, batch: Batch) -> Tensor:
        own = self._learner.units(batch)
        return self._taught.units(own, batch) if self._taught else own

    def of(self, examples: Sequence[Example]) -> Step:
        """The worker's passes of a step."""
        fill = in_packed_passes if self.packing else in_passes
        shares = [
            fill(share_of(examples, worker, self._workers), self.budget)
            for worker in range(self._workers)
        ]
        batches = [[self.collate(part) for part in share] for share in shares]
        units = [self._units(batch) for share in batches for batch in share]
        own = [self._packed(batch) for batch in batches[self._worker]]
        sizes = [len(part) for part in shares[self._worker]]
        least = max(map(len, batches)) if self._even else 1
        spare: list[Batch] = []
        if len(own) < least:
            spare = [self._packed(self.collate(examples[:1]))] * (least - len(own))
        sizes += [1] * len(spare)
        return Step([*own, *spare], sizes, torch.stack(units).sum(dim=0), counted=len(own))


class Objective:
    """The loss of a task type, carried backward pass by pass."""

    def __init__(
        self,
        learner: Learner,
        accelerator: Any,
        autocast: Callable[[], AbstractContextManager[Any]],
        *,
        workers: Ranks = ALONE,
        taught: Taught | None = None,
        adversary: GroupAdversary | None = None,
    ) -> None:
        self._taught, self._adversary = taught, adversary
        self._also_asked = taught.also_asked if taught else {}
        self._learner, self._accelerator, self._autocast = learner, accelerator, autocast
        self._plain = learner.without_loss_settings()
        self._workers = workers

    def backward(self, model: Any, step: Step, device: Any) -> list[Tensor]:
        """Add the step's gradient up; workers add theirs to each other in the last pass.

        Returns:
            Each pass's share of the step's mean loss, of this worker alone.

        """
        batches = [batch.to(device) for batch in step.batches]
        units = step.units.to(device)
        if self._learner.couples_rows:
            return self._backward_coupled(model, batches, units, step.counted)
        losses = []
        for number, batch in enumerate(batches, start=1):
            with self._until_last(model, last=number == len(batches)):
                if self._adversary:
                    batch.labels[ROW_WEIGHT].requires_grad_()
                with self._autocast():
                    loss = self._loss(model(**batch.inputs, **self._also_asked), batch, units)
                if number > step.counted:
                    loss = loss * 0.0
                elif self._adversary:
                    self._adversary.see(loss, batch)
                self._accelerator.backward(loss * self._accelerator.num_processes)
            losses.append(loss.detach())
        return losses

    def _loss(self, outputs: Outputs, batch: Batch, units: Tensor) -> Tensor:
        if self._taught:
            return self._taught.mixed(self._learner, outputs, batch, units)
        return self._learner.loss(outputs, batch, units)

    def validation_loss(self, outputs: Outputs, batch: Batch, units: Tensor) -> float:
        """A batch's share of the mean loss of all validation rows, without what training adds."""
        if self._plain.couples_rows:
            return float(self._plain.coupled_loss(self._plain.represent(outputs, batch), units))
        return float(self._plain.loss(outputs, batch, units))

    def _backward_coupled(
        self, model: Any, batches: Sequence[Batch], units: Tensor, counted: int
    ) -> list[Tensor]:
        """As `backward`, of a loss that compares all rows of the step with each other.

        The representations of all workers' rows are made without a graph, the loss's gradient with
        respect to them is kept, and each pass is run again to carry its part of it on (Gao et al.
        2021, arXiv:2101.06983). The second run draws the same dropout as the first.
        """
        states, parts = [], []
        with torch.no_grad():
            for batch in batches:
                states.append(random_state())
                with self._autocast():
                    parts.append(self._learner.represent(model(**batch.inputs), batch))
        sizes = [len(part) for part in parts[:counted]]
        rows, own = self._workers.gather_rows(torch.cat([parts[0][:0], *parts[:counted]]))
        rows = rows.detach().requires_grad_()
        share = 1 - self._taught.weight if self._taught else 1.0
        loss = self._learner.coupled_loss(rows, units) * share
        gradient = torch.autograd.grad(loss, rows)[0][own] * self._accelerator.num_processes
        gradients = [
            *torch.split(gradient, sizes), *(torch.zeros_like(part) for part in parts[counted:]),
        ]  # fmt: skip
        after, soft = random_state(), torch.zeros_like(loss)
        for number, (batch, state, one) in enumerate(
            zip(batches, states, gradients, strict=True), start=1
        ):
            set_random_state(state)
            with self._until_last(model, last=number == len(batches)):
                with self._autocast():
                    outputs = model(**batch.inputs)
                    carried = (self._learner.represent(outputs, batch) * one).sum()
                    if self._taught and number <= counted:
                        own_soft = self._taught.soft(outputs, batch, units)
                        carried = carried + own_soft * self._accelerator.num_processes
                        soft = soft + torch.as_tensor(own_soft).detach()
                self._accelerator.backward(carried)
        set_random_state(after)
        # Each worker has the loss of all rows, and its own part of the soft one.
        return [loss.detach() / self._workers.count + soft]

    def _until_last(self, model: Any, *, last: bool) -> AbstractContextManager[Any]:
        """Ranks add their gradients up in the last pass alone."""
        waiting: AbstractContextManager[Any] = self._accelerator.no_sync(model)
        return nullcontext() if last else waiting


def random_state() -> tuple[Tensor, list[Tensor]]:
    """Of the CPU's generator and of each GPU's: what dropout draws from."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return torch.get_rng_state(), cuda


def set_random_state(state: tuple[Tensor, list[Tensor]]) -> None:
    """Have the next draws be those that came after `random_state` gave this."""
    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])
