"""What the methods of a line make of texts that a person types: to choose them by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from infra.errors import SettingsError
from tasks.augmentation.augmenting import Row, change_row, why_left_out
from tasks.augmentation.known_texts import KnownTexts
from tasks.augmentation.methods import BACK_TRANSLATION, Changer, Donors
from tasks.augmentation.settings import AugmentationSettings
from tasks.perturbations.draws import random_of
from tasks.task_types.row_identities import row_ids_of
from tasks.task_types.rows import RowShape

NOT_ASKED: Final = "translation lines are asked in a run alone"


@dataclass(frozen=True)
class Preview:
    """What one method makes of one text.

    Attributes:
        after: the new text; empty where there is none.
        reason: why there is none; empty where there is one.

    """

    method: str
    before: str
    after: str
    reason: str


def preview(
    texts: Sequence[str], settings: AugmentationSettings, shape: RowShape
) -> Iterator[Preview]:
    """Each text as each method changes it, as a run would where a row has this text.

    Words that are inserted come from the other texts, which are taken to have the same label.
    Translation lines are asked nothing: they are of a stack, and a preview needs none.

    Args:
        texts: that a row may hold.
        settings: which methods.
        shape: of a task type whose rows are of one text.

    Raises:
        SettingsError: the rows of the task type are not of one text, or a list cannot be read.

    """
    if [column.kind for column in shape.inputs] != ["text"]:
        raise SettingsError(
            f"a row of task_type {shape.task_type} is not of one text, so that none can be shown"
        )
    column = shape.inputs[0].name
    ids = row_ids_of(pa.table({column: pa.array(texts, pa.string())}), shape)
    nothing_known = KnownTexts((), ())
    for name, method in settings.chosen:
        changer = Changer(name, method, Donors({"null": texts}))
        for row_id, text in zip(ids, texts, strict=True):
            parent: Row = dict.fromkeys(shape.names) | {"row_id": row_id, column: text}
            random = random_of(settings.seed, name, "0", row_id)
            row = change_row(parent, changer, shape, random)
            asked_nobody = NOT_ASKED if name == BACK_TRANSLATION else ""
            reason = asked_nobody or why_left_out(parent, row, shape, nothing_known)
            after = "" if row is None or reason else str(row[column])
            yield Preview(name, text, after, reason)
