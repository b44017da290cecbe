"""Which columns of a row are changed, and whether a task type's models can be probed so at all."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from tasks.probes.robustness.kinds import Kind
from tasks.task_types.rows import Column, RowShape

_CHANGED: Final = frozenset({"text", "texts"})


def why_not_probed(shape: RowShape) -> str:
    """Why models of a task type cannot be probed; empty where they can."""
    if shape.entities:
        marked = " and ".join(one.start for one in shape.entities)
        return f"a changed text would move the places that {marked} name"
    if shape.label_column is None and shape.target_column is None and shape.passage is None:
        return "it asks for no label, tag, number or passage, so that no answer is right or wrong"
    if not changed_columns(shape):
        return "it reads no text"
    return ""


def why_not_attacked(shape: RowShape) -> str:
    """Why models of a task type cannot be attacked; empty where they can."""
    has_labels = shape.labels is not None and not shape.has_tags
    if has_labels and [column.kind for column in shape.inputs] == ["text"]:
        return ""
    return "the search follows the probabilities of labels of one text, which it has not"


def changed_columns(shape: RowShape) -> tuple[Column, ...]:
    """The inputs that are changed: not a text that the answer is copied from."""
    context = shape.passage.context if shape.passage else None
    return tuple(
        column for column in shape.inputs if column.kind in _CHANGED and column.name != context
    )


def change_row(
    row: Mapping[str, Any], shape: RowShape, kind: Kind, strength: float, random: Random
) -> dict[str, Any] | None:
    """The changed columns of a row; None where the kind leaves all as they are.

    Tokens with a tag each are changed as one text, and only so that they stay as many.
    """
    changed: dict[str, Any] = {}
    for column in changed_columns(shape):
        value = row[column.name]
        if not value:
            continue
        made = (
            kind.change(value, strength, random)
            if column.kind == "text"
            else _changed_tokens(value, kind, strength, random)
        )
        if made is not None and made != value:
            changed[column.name] = made
    return changed or None


def _changed_tokens(
    tokens: list[str], kind: Kind, strength: float, random: Random
) -> list[str] | None:
    made = kind.change(" ".join(tokens), strength, random)
    changed = made.split() if made is not None else []
    return changed if len(changed) == len(tokens) else None
