"""The groups of a training that looks after the worst of them, and how much they came to weigh."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DroCell:
    """A group of group DRO: the training rows of one group of people with one label.

    Attributes:
        group: of the attribute; `several` for rows that name more than one.
        rows: how many; 0 where there is none, which never weighs anything.

    """

    group: str
    label: str
    rows: int


@dataclass(frozen=True)
class GroupDro:
    """What a training with group DRO goes by.

    Attributes:
        attribute: whose groups.
        cells: of all groups and labels, group by group; a row's number beside its token ids is a
            place in here.
        other_rows: training rows that are in none of them; each counts once.
        step_size: of the weights.
        max_weight: most that the loss of a row counts by.

    """

    attribute: str
    cells: tuple[DroCell, ...]
    other_rows: int
    step_size: float
    max_weight: float

    @property
    def rows_of_groups(self) -> int:
        """Training rows that are in a cell."""
        return sum(cell.rows for cell in self.cells)

    @classmethod
    def of(cls, values: dict[str, Any]) -> "GroupDro":
        """From plain values, as ``dataclasses.asdict`` gives them."""
        return cls(**{**values, "cells": tuple(DroCell(**cell) for cell in values["cells"])})


@dataclass(frozen=True)
class GroupWeights:
    """How much the cells of a training with group DRO weighed; they sum to 1.

    Attributes:
        mean: over the optimizer steps, by cell.
        last: after the last one.
        cut: share of the steps in which max_weight held a cell down.

    """

    mean: tuple[float, ...]
    last: tuple[float, ...]
    cut: float
