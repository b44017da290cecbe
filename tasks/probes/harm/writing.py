"""What the model writes to prompts, as the served one would."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tasks.probes.harm.files import Prompt
from tasks.task_types.examiner import Examiner
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import RowShape, arrow_type
from tasks.task_types.written_answers import ASSISTANT, written_texts


@dataclass(frozen=True)
class WrittenText:
    """What the model wrote to a prompt; of a causal model what it goes on with."""

    asked: Prompt
    text: str


def write_texts(examiner: Examiner, model: Path, prompts: Sequence[Prompt]) -> list[WrittenText]:
    """One text a prompt, by the decoder of the served model.

    Args:
        examiner: of a task type whose models write.
        model: folder of it.
        prompts: what is asked; one that stands there twice is asked once.

    Raises:
        BaseModelError, TrainingError: the model cannot be asked.

    """
    distinct = list(dict.fromkeys(one.prompt for one in prompts))
    rows = _rows(shape_of(examiner.name), distinct)
    said = dict(zip(distinct, written_texts(examiner, model, rows), strict=True))
    return [WrittenText(one, said[one.prompt]) for one in prompts]


def training_targets(shape: RowShape, rows: pa.Table) -> list[str]:
    """What each row would have a model write: its answer, a chat's answers, or the text itself."""
    if shape.answered:
        return [one or "" for one in rows[shape.answered.name].to_pylist()]
    (column,) = shape.inputs
    values = rows[column.name].to_pylist()
    if column.kind != "turns":
        return [one or "" for one in values]
    return [
        "\n".join(turn["content"] or "" for turn in turns if turn["role"] == ASSISTANT)
        for turns in values
    ]


def _rows(shape: RowShape, prompts: Sequence[str]) -> pa.Table:
    """Rows of the input column of a task type that writes; of a chat each is a user's one turn."""
    (column,) = shape.inputs
    asked = [
        [{"role": "user", "content": one}] if column.kind == "turns" else one for one in prompts
    ]
    return pa.table({column.name: pa.array(asked, arrow_type(column.kind))})
