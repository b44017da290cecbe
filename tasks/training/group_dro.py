"""Group DRO: the weights of groups follow their losses while the model learns.

Sagawa, Koh, Hashimoto and Liang 2020 (arXiv:1911.08731), algorithm 1: the model descends on
sum_g q_g E[loss | g], and the weights q ascend on it by exponentiated gradients,

    q_g <- q_g exp(step_size L_g) / sum_h q_h exp(step_size L_h).

There, steps draw a group first and then a row of it. Ours are of rows as they come, so that both
estimates are weighed by the shares of groups instead: a row of group g counts by q_g n / n_g, with
n_g of the n training rows that are in a group, and L_g is N / n_g times the sum of the losses of
the step's B rows of g, over B, of N training rows. Both are right on average over steps.

Rows of a step take the weights as the steps before it have left them, and their losses move the
weights of the next one (the simultaneous steps of Nemirovski et al. 2009, doi:10.1137/070704277,
by which the paper proves its rate). So no row is run through the model twice, and the weights of a
step are the same in all of its passes and workers.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.records.group_dro import GroupDro, GroupWeights
from tasks.task_types.examples import ROW_GROUP, ROW_WEIGHT, Batch, Example
from tasks.training.ranks import ALONE, Ranks

GROUP_WEIGHTS_FILE: Final = "group_weights.json"


class GroupAdversary:
    """The weights of the groups of one training.

    Attributes:
        weights: (C,) of the cells, which sum to 1; 0 of one without rows.

    """

    def __init__(self, settings: GroupDro, groups: NDArray[np.integer[Any]]) -> None:
        """`groups`: (N,) the cell of each training row, -1 of none; at least one has a cell."""
        inside = groups[groups >= 0]
        rows = np.bincount(inside, minlength=len(settings.cells)).astype(np.float64)
        filled = rows > 0
        self._settings, self._filled = settings, filled
        shares = np.divide(rows, rows.sum(), where=filled, out=np.ones_like(rows))
        self._inverse = np.where(filled, 1 / shares, 0.0)  # n / n_g
        self._rows_over_inside = len(groups) / len(inside)  # N / n
        self.weights = filled / filled.sum()
        self._losses = np.zeros(len(rows))
        self._sum, self._steps, self._cut_steps = np.zeros(len(rows)), 0, 0

    @property
    def factors(self) -> NDArray[np.float32]:
        """(C + 1,) on the loss of a row of each cell; the last one of a row that is in none."""
        inside = np.minimum(self.weights * self._inverse, self._settings.max_weight)
        return np.append(inside, 1.0).astype(np.float32)

    def beside(self, batch: Batch, examples: Sequence[Example]) -> Batch:
        """A batch with the cell of each of its rows, and its factor on the loss now.

        Validation rows have no cell, and stay as they are.
        """
        if ROW_GROUP not in examples[0]:
            return batch
        cells = np.array([int(example[ROW_GROUP]) for example in examples])  # -1 of none
        more = {
            ROW_GROUP: torch.from_numpy(cells),
            ROW_WEIGHT: torch.from_numpy(self.factors[cells]),
        }
        return Batch(batch.inputs, {**batch.labels, **more})

    def begin_step(self) -> None:
        """Forget the losses of a step that was begun and is begun anew."""
        self._losses[:] = 0

    def see(self, loss: Tensor, batch: Batch) -> None:
        """Take in the losses of a pass's rows, which its weighed loss is a sum over.

        The derivative of that sum by the factor of a row is the row's share of the unweighed one.

        Args:
            loss: of the pass, before it is carried backward.
            batch: its rows, whose factors have been asked for a gradient.

        """
        (shares,) = torch.autograd.grad(loss, batch.labels[ROW_WEIGHT], retain_graph=True)
        cells = batch.labels[ROW_GROUP].cpu().numpy()
        inside = cells >= 0
        np.add.at(self._losses, cells[inside], shares.double().cpu().numpy()[inside])

    def end_step(self, workers: Ranks = ALONE) -> None:
        """Move the weights by the losses of the step's rows, those of all workers."""
        self._sum += self.weights
        self._steps += 1
        wanted = self.weights * self._inverse
        self._cut_steps += bool((wanted > self._settings.max_weight).any())
        shares = np.array(workers.sum(*self._losses.tolist()))
        losses = shares * self._inverse * self._rows_over_inside
        grown = self._settings.step_size * losses
        moved = self.weights * np.exp(grown - grown[self._filled].max())
        self.weights = moved / moved.sum()
        self.begin_step()

    @property
    def told(self) -> GroupWeights:
        """What the weights came to."""
        steps = max(self._steps, 1)
        mean = self._sum / steps if self._steps else self.weights
        return GroupWeights(
            tuple(mean.tolist()), tuple(self.weights.tolist()), self._cut_steps / steps
        )

    def save(self, folder: Path) -> None:
        """Write into a checkpoint folder; numbers are read back to the bit."""
        values = {
            "weights": self.weights.tolist(), "sum": self._sum.tolist(), "steps": self._steps,
            "cut_steps": self._cut_steps,
        }  # fmt: skip
        (folder / GROUP_WEIGHTS_FILE).write_text(json.dumps(values), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Read from a checkpoint folder."""
        values = json.loads((folder / GROUP_WEIGHTS_FILE).read_text(encoding="utf-8"))
        self.weights, self._sum = np.array(values["weights"]), np.array(values["sum"])
        self._steps, self._cut_steps = int(values["steps"]), int(values["cut_steps"])
