"""Which test rows are changed by which kind, until the texts that may be scored are spent.

The kinds take turns, so that each has as many rows as the next one, and one that can change few
rows leaves its share to the others. A kind takes rows in an order that seed and row_id give, each
with all of its strengths, which are then told of the same rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from tasks.perturbations.draws import random_of, rank_of
from tasks.probes.robustness.kinds import Kind
from tasks.probes.robustness.rows import change_row
from tasks.probes.robustness.settings import FAMILY, RobustnessSettings
from tasks.task_types.rows import RowShape

# Rows that a kind takes at a turn, at most; of few texts so many fewer that it has several turns.
ROWS_AT_ONCE: Final = 8
_TURNS: Final = 8
_NO_STRENGTH: Final = 1.0

Row = Mapping[str, Any]
# From M changed rows and the rows as they are to how the model reads each.
Reads = Callable[[Sequence[Row], Sequence[Row]], Sequence["Reading"]]


@dataclass(frozen=True)
class Reading:
    """How the model reads a changed row.

    Attributes:
        same_tokens: as the row that it was made of, so that the answer is the same.
        behind_cut: the change lies wholly behind what the model reads.

    """

    same_tokens: bool = False
    behind_cut: bool = False


@dataclass(frozen=True)
class ChangedRow:
    """A test row after a change.

    Attributes:
        place: of the test row.
        columns: those that are changed.
        same_tokens: whether the model reads it as before.

    """

    place: int
    columns: dict[str, Any]
    same_tokens: bool = False


@dataclass
class Drawn:
    """The changed rows of one kind at one strength, and how many test rows were looked at."""

    kind: Kind
    strength: float | None
    family: str
    rows: list[ChangedRow] = field(default_factory=list)
    tried: int = 0


def read_as_new(changed: Sequence[Row], rows: Sequence[Row]) -> Sequence[Reading]:  # noqa: ARG001
    """Take each changed row as one that the model has to be asked about."""
    return [Reading()] * len(changed)


def draw_changes(
    rows: Sequence[Row], shape: RowShape, settings: RobustnessSettings, reads: Reads = read_as_new
) -> list[Drawn]:
    """The changed rows of every kind at every strength, in the order of the settings.

    Args:
        rows: N test rows, with row_id and the columns of the task type.
        shape: of the task type.
        settings: kinds, strengths, and texts that may be scored.
        reads: says of which changed rows the answer is known, and which are cut off.

    """
    drawn = [Drawn(kind, strength, family) for kind, strength, family in settings.groups()]
    seed = settings.seed
    order = sorted(range(len(rows)), key=lambda n: rank_of(seed, FAMILY, rows[n]["row_id"]))
    waiting = {
        kind.name: (
            [one for one in drawn if one.kind is kind],
            _changes(rows, order, shape, kind, settings),
        )
        for kind in settings.chosen
    }
    left = settings.texts_per_row * len(rows)
    at_once = min(ROWS_AT_ONCE, max(1, int(left / (_TURNS * len(drawn)))))
    while waiting and left > 0:
        for name, (groups, changes) in list(waiting.items()):
            if left <= 0:
                break
            taken = list(islice(changes, at_once))
            if not taken:
                del waiting[name]
            left -= _add(groups, taken, rows, reads)
    return drawn


def _changes(
    rows: Sequence[Row],
    order: Sequence[int],
    shape: RowShape,
    kind: Kind,
    settings: RobustnessSettings,
) -> Iterator[tuple[int, list[dict[str, Any] | None]]]:
    """Each row's place and its changed columns at each strength."""
    for place in order:
        row = rows[place]
        yield place, [
            change_row(
                row, shape, kind, strength or _NO_STRENGTH,
                random_of(settings.seed, FAMILY, kind.name, row["row_id"]),
            )
            for strength in settings.strengths_of(kind)
        ]  # fmt: skip


def _add(
    groups: Sequence[Drawn],
    taken: Sequence[tuple[int, list[dict[str, Any] | None]]],
    rows: Sequence[Row],
    reads: Reads,
) -> int:
    """Put changed rows to their strengths; how many the model has to be asked about."""
    made = [
        (group, place, columns)
        for place, each in taken
        for group, columns in zip(groups, each, strict=True)
        if columns is not None
    ]
    for group in groups:
        group.tried += len(taken)
    found = reads(
        [{**rows[place], **columns} for _, place, columns in made],
        [rows[place] for _, place, _ in made],
    )
    asked = 0
    for (group, place, columns), reading in zip(made, found, strict=True):
        if not reading.behind_cut:
            group.rows.append(ChangedRow(place, columns, reading.same_tokens))
            asked += not reading.same_tokens
    return asked
