"""Which rows are in each step of a training with differential privacy."""

import math
import secrets
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from tasks.training.batching import StepSampler, TokenizedRows


def secret_generator() -> np.random.Generator:
    """A generator from the system's entropy, whose seed nobody knows."""
    return np.random.default_rng(secrets.randbits(128))


class PoissonSampler(StepSampler):
    """Example numbers of each step: every row is in it with the same probability, each by itself.

    A row of several examples, such as the windows of a long text, is in a step with all of them.
    Steps may be empty. Who knew the draws would know more than epsilon says, so that they follow
    from no seed that is written anywhere, and a resumed training draws anew.

    Attributes:
        row_count: rows that there are.
        sample_rate: probability with which a row is in a step.

    """

    def __init__(
        self,
        rows: TokenizedRows,
        batch_size: int,
        seed: int,
        generator: Callable[[], np.random.Generator] = secret_generator,
    ) -> None:
        """`batch_size`: rows of a step in the mean."""
        super().__init__(rows, batch_size, seed)
        rows.tells_rows = True
        numbers = rows.row_numbers
        order = np.argsort(numbers, kind="stable")
        self._examples: list[NDArray[np.int64]] = np.split(
            order, np.flatnonzero(np.diff(numbers[order])) + 1
        )
        self.row_count = len(self._examples)
        self.sample_rate = min(1.0, batch_size / self.row_count)
        self._generator = generator()

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(len(self)):
            taken = np.flatnonzero(self._generator.random(self.row_count) < self.sample_rate)
            yield [int(place) for row in taken for place in self._examples[row]]

    def __len__(self) -> int:
        return math.ceil(self.row_count / self.batch_size)
