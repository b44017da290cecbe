"""By how much training rows count, by group and label."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WeighedCell:
    """The training rows of one group with one label.

    Attributes:
        group: of the attribute; `several` for rows that name more than one.
        rows: how many.
        weight: factor on the loss of each; None where there is no such row.
        asked: the factor that would make group and label independent, before it was cut.

    """

    group: str
    label: str
    rows: int
    weight: float | None
    asked: float | None

    @property
    def is_cut(self) -> bool:
        """Whether the factor is less than was asked for."""
        return self.weight is not None and self.asked is not None and self.weight < self.asked


@dataclass(frozen=True)
class Reweighing:
    """The weights of a line's training rows.

    Attributes:
        attribute: whose groups were weighed.
        cells: of all groups and labels, group by group.
        rows_of_groups: training rows that belong to a group.
        other_rows: training rows that belong to none; each counts once.

    """

    attribute: str
    cells: tuple[WeighedCell, ...]
    rows_of_groups: int
    other_rows: int

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Reweighing":
        """From plain values, as ``dataclasses.asdict`` gives them."""
        cells = tuple(WeighedCell(**cell) for cell in values["cells"])
        return cls(**{**values, "cells": cells})
