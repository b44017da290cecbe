"""Rows whose normalised texts are equal: twins, conflicting answers, and one row for each text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.records.data import SPLITS
from tasks.validation.leakage.columns import (
    NOWHERE,
    NumberColumn,
    find_first_and_last,
    find_repeated,
)
from tasks.validation.leakage.hashing import MISSING, Flags, Hashes, Positions
from tasks.validation.leakage.links import Links, link_equal, most_alike
from tasks.validation.leakage.scanning import Scan

# What is done with rows of equal hashes: group and position of each, first and last of each split.
_Use = Callable[[Positions, Positions, Positions, Positions], None]


@dataclass(frozen=True)
class EqualTexts:
    """Likeness between rows of equal normalised text and different row_id.

    Attributes:
        within: rows like an earlier one of their split.
        across: rows like one of a split that is held out from theirs.
        conflicts: by answer column, rows like one with another answer.
        copies: rows whose text stands in an earlier row of their split, row_id alike or not.

    """

    within: Links
    across: Links
    conflicts: dict[str, Links]
    copies: Links


def find_equal_texts(scan: Scan) -> EqualTexts:
    """Group the rows by the hash of their normalised text, and of what is asked of it."""
    within, across, copies = [], [], []
    conflicts: dict[str, list[Links]] = {column.name: [] for column in scan.answers}

    def by_text(
        group: Positions, positions: Positions, firsts: Positions, lasts: Positions
    ) -> None:
        own = firsts[group, scan.splits[positions]]
        copies.append(_link(positions, own, own != positions))
        twins = _held_out_duplicates(scan, group, positions, firsts, lasts)
        across.append(_link(positions, twins, twins != NOWHERE))

    def by_asked(group: Positions, positions: Positions, firsts: Positions, _: Positions) -> None:
        own = firsts[group, scan.splits[positions]]
        within.append(_link(positions, own, scan.ordinals[positions] != scan.ordinals[own]))
        for column, answers in scan.answers.items():
            found = _find_conflicts(scan, group, positions, answers.take(positions))
            conflicts[column.name].append(found)

    # Where a text is all that is asked, both are the same column, which is read once.
    passes: list[tuple[NumberColumn, list[_Use]]]
    passes = [(scan.text_hashes, [by_text]), (scan.asked_hashes, [by_asked])]
    if scan.asked_hashes is scan.text_hashes:
        passes = [(scan.text_hashes, [by_text, by_asked])]
    for column_of_hashes, uses in passes:
        for hashes, positions in find_repeated(column_of_hashes):
            group = _number_groups(hashes)
            firsts, lasts = _ends_by_split(scan, group, positions)
            for use in uses:
                use(group, positions, firsts, lasts)
    return EqualTexts(
        most_alike(within),
        most_alike(across),
        {name: most_alike(parts) for name, parts in conflicts.items()},
        most_alike(copies),
    )


def count_split_clusters(clusters: NumberColumn, scan: Scan) -> int:
    """How many authors or documents have rows in several splits."""
    count = 0
    for hashes, positions in find_repeated(clusters):
        group = _number_groups(hashes)
        cells = np.unique(group * len(SPLITS) + scan.splits[positions])
        count += int((np.bincount(cells // len(SPLITS)) > 1).sum())
    return count


def _number_groups(values: Hashes | Positions) -> Positions:
    """0 for the rows of the first value, 1 for those of the next, and so on."""
    return np.cumsum(np.diff(values, prepend=values[:1]) != 0)


def _link(rows: Positions, twins: Positions, wanted: Flags) -> Links:
    return link_equal(rows[wanted], twins[wanted])


def _ends_by_split(
    scan: Scan, group: Positions, positions: Positions
) -> tuple[Positions, Positions]:
    """First and last row of each group in each split, (groups, splits); NOWHERE where none is."""
    groups = int(group.max(initial=-1)) + 1
    cells = group * len(SPLITS) + scan.splits[positions]
    first, last = (
        np.where(places == NOWHERE, NOWHERE, positions[places]).reshape(groups, len(SPLITS))
        for places in find_first_and_last(cells, groups * len(SPLITS))
    )
    return first, last


def _held_out_duplicates(
    scan: Scan, group: Positions, positions: Positions, firsts: Positions, lasts: Positions
) -> Positions:
    """For each row one of another row_id in a split held out from it, the test split first."""
    twins = np.full(len(positions), NOWHERE)
    for split in reversed(range(1, len(SPLITS))):
        for candidates in (firsts[group, split], lasts[group, split]):
            fits = (candidates != NOWHERE) & (scan.splits[positions] < split)
            fits &= scan.ordinals[candidates] != scan.ordinals[positions]
            twins = np.where(fits & (twins == NOWHERE), candidates, twins)
    return twins


def _find_conflicts(scan: Scan, group: Positions, positions: Positions, answers: Hashes) -> Links:
    """Link the rows of each group with several answers and row_ids to one with another answer."""
    given = answers != MISSING
    group, positions, answers = _number_groups(group[given]), positions[given], answers[given]
    if not len(group):
        return link_equal(positions, positions)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ordinals = scan.ordinals[positions].astype(np.int64)
    disputed = _differ(answers, starts) & _differ(ordinals, starts)
    candidates = []
    for extreme in (np.minimum.reduceat(answers, starts), np.maximum.reduceat(answers, starts)):
        holders = np.flatnonzero(answers == extreme[group])
        ends = find_first_and_last(group[holders], len(starts))
        candidates += [holders[places][group] for places in ends]
    twins = _choose_opponent(candidates, answers, ordinals)
    return _link(positions, positions[twins], disputed[group])


def _differ(values: Hashes | Positions, starts: Positions) -> Flags:
    return np.asarray(np.minimum.reduceat(values, starts) != np.maximum.reduceat(values, starts))


def _choose_opponent(
    candidates: Sequence[Positions], answers: Hashes, ordinals: Positions
) -> Positions:
    """The first candidate with another answer, of another row_id if there is one."""
    chosen = np.full(len(answers), NOWHERE)
    for other_row_id in (True, False):
        for candidate in candidates:
            fits = answers[candidate] != answers
            if other_row_id:
                fits &= ordinals[candidate] != ordinals
            chosen = np.where(fits & (chosen == NOWHERE), candidate, chosen)
    return chosen
