"""Worlds of a compressed model that loses more on a small part of the rows than on the others."""

from typing import Final

import numpy as np
import pyarrow as pa

from tasks.evaluation.comparison import Comparator
from tasks.evaluation.settings import EvaluationSettings, SliceSettings
from tasks.evaluation.slice_results import slice_gains
from tasks.fairness.group_gains import gains_of_groups
from tasks.fairness.settings import FairnessSettings
from tasks.protected_groups.memberships import Membership
from tasks.resampling import Floats, Ints
from tasks.resampling_units import units_of_rows, units_of_table
from tasks.task_types.measures import Measured
from tasks.task_types.rows import CLUSTER
from tasks.verdicts import Estimate
from tests.simulation.quality_worlds import REPEATS
from tests.simulation.scenarios import Random, Scenario

# Rows of the small part, of all.
SMALL: Final = 0.25
# Rows that get better for each that gets worse.
REGAINED: Final = 0.2
SETTINGS: Final = EvaluationSettings(
    repeats=REPEATS, slices=SliceSettings(by=("part",), search=False)
)
ASSESSED: Final = FairnessSettings(repeats=REPEATS)


def _part(authors: int) -> Ints:
    """Of each author, 1 for the small part."""
    return (np.arange(authors) < SMALL * authors).astype(np.int64)


def _scores(random: Random, author: Ints, lost: Floats, alike: float) -> tuple[Floats, Floats]:
    """Row scores of the compressed model and of the one before, 0 or 1.

    Args:
        random: source of randomness.
        author: of each row, (N,).
        lost: mean loss of each author's rows.
        alike: correlation of the losses of an author's rows; 0 for none.

    """
    worse = lost / (1 - REGAINED)
    if alike:
        mass = 1 / alike - 1
        worse = random.beta(worse * mass, (1 - worse) * mass)
    chance, drawn = worse[author], random.random(len(author))
    before = np.where(drawn < chance, 1.0, (random.random(len(author)) < 0.9).astype(float))
    regained = (drawn > 1 - REGAINED * chance) & (drawn >= chance)
    before = np.where(regained, 0.0, before)
    after = np.where(drawn < chance, 0.0, np.where(regained, 1.0, before))
    return after, before


def groups(authors: int, rows: int, lost: tuple[float, float], alike: float = 0.0) -> Scenario:
    """Two groups that lose unlike much, and the one that loses most."""
    means = np.array(lost)

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(authors), rows)
        part = _part(authors)
        after, before = _scores(random, author, means[part], alike)
        place = part[author]
        member = Membership("x", ("g0", "g1"), np.stack([place == 0, place == 1], axis=1))
        ids = [f"{row:06d}" for row in range(len(author))]
        units = units_of_rows(ids, [str(one) for one in author]) if rows > 1 else None
        return gains_of_groups(member, after - before, ASSESSED, units)

    return Scenario(
        f"compression, groups: {_size(authors, rows)}, lost {lost[0]:g} and {lost[1]:g}",
        {
            "uncompressed.x.row_score_gain.g0": -lost[0],
            "uncompressed.x.row_score_gain.g1": -lost[1],
            "uncompressed.x.worst_group_row_score_gain": -max(lost),
        },
        drawn,
    )


def slices(authors: int, rows: int, lost: tuple[float, float], alike: float = 0.0) -> Scenario:
    """Two slices that lose unlike much."""
    means = np.array(lost)

    def drawn(random: Random) -> list[Estimate]:
        author = np.repeat(np.arange(authors), rows)
        part = _part(authors)
        after, before = _scores(random, author, means[part], alike)
        columns = {
            "row_id": [f"{row:06d}" for row in range(len(author))],
            "part": np.array(["a", "b"])[part[author]].tolist(),
        }
        if rows > 1:
            columns[CLUSTER] = [f"author {one}" for one in author]
        table = pa.table(columns)
        units = units_of_table(table, cluster=CLUSTER, seed=0)
        other = Comparator("uncompressed", measured=Measured((), before, ()))
        return slice_gains(table, Measured((), after, ()), other, units, SETTINGS)

    return Scenario(
        f"compression, slices: {_size(authors, rows)}, lost {lost[0]:g} and {lost[1]:g}",
        {
            "uncompressed.slice.part.a.row_score_gain": -lost[0],
            "uncompressed.slice.part.b.row_score_gain": -lost[1],
        },
        drawn,
    )


def _size(authors: int, rows: int) -> str:
    return f"{authors} rows" if rows == 1 else f"{authors} authors of {rows}"


COMPRESSION: Final = (
    groups(240, 1, (0.0, 0.05)),
    groups(240, 1, (0.02, 0.02)),
    groups(800, 1, (0.01, 0.1)),
    groups(120, 6, (0.01, 0.1), 0.3),
    slices(240, 1, (0.0, 0.05)),
    slices(800, 1, (0.01, 0.1)),
    slices(120, 6, (0.01, 0.1), 0.3),
)
