"""Loss and metrics over the validation rows."""

from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.task_types.batches import fill_batches
from tasks.task_types.examples import Batch
from tasks.task_types.learner import Learner
from tasks.training.batching import TokenizedRows
from tasks.training.passes import Objective, Passes
from tasks.training.ranks import Ranks


def validate(
    model: Any,
    rows: TokenizedRows,
    passes: Passes,
    objective: Objective,
    learner: Learner,
    device: Any,
    workers: Ranks,
) -> tuple[float, dict[str, float]]:
    """Mean loss and the task type's metrics, within the budget of the passes.

    Each worker asks the model for its share of the batches; all come to the same result.
    """
    numbers = list(fill_batches(rows.lengths.tolist(), workers.least(passes.budget)))
    batches = [passes.collate([rows[number] for number in part]) for part in numbers]
    units = torch.stack([learner.units(batch) for batch in batches]).sum(dim=0).to(device)
    own = _share_of(batches, workers)
    loss, outcomes = 0.0, []
    for place, batch in enumerate(one.to(device) for one in own):
        outputs = model(**batch.inputs)
        if place * workers.count + workers.rank >= len(batches):
            continue  # a sharded model is asked by all workers or by none
        loss += objective.validation_loss(outputs, batch, units)
        outcomes.append(learner.outcomes(outputs, batch).double().cpu().numpy())
    return workers.sum(loss)[0], dict(learner.metrics(_in_order(workers.gather(outcomes))))


def _share_of(batches: list[Batch], workers: Ranks) -> list[Batch]:
    """One worker's batches, as many as any other has: the last one may not be its own."""
    missing = -len(batches) % workers.count
    return [*batches, *[batches[-1]] * missing][workers.rank :: workers.count]


def _in_order(shares: list[list[NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Outcomes (N, K) in the order of the batches, as one worker would have them."""
    turns = max(map(len, shares))
    parts = ([share[turn] for share in shares if turn < len(share)] for turn in range(turns))
    return np.concatenate(list(chain.from_iterable(parts)))
