"""Task types whose models write a text, and how they are asked for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.task_types.examiner import Examiner


# Role of a turn that a model writes.
ASSISTANT: Final = "assistant"


@dataclass(frozen=True)
class Written:
    """What a model writes.

    Attributes:
        field: of its answer, that holds the text.
        begun: input column of a text that the model goes on with, so that it is asked about its
            beginning; empty where it answers a whole input.
        replies: whether it replies to a request, which it may refuse.

    """

    field: str
    begun: str = ""
    replies: bool = False


WRITTEN: Final[Mapping[str, Written]] = {
    "causal_lm": Written("continuation", begun="text"),
    "chat": Written("answer", replies=True),
    "translation": Written("text"),
    "summarisation": Written("text"),
}


def written_texts(examiner: "Examiner", model: Path, rows: "pa.Table") -> list[str]:
    """What a model writes to rows, (N,), by the decoder of the served one.

    Args:
        examiner: of a task type whose models write.
        model: folder of it.
        rows: N rows, with the input columns of the task type.

    Raises:
        BaseModelError, TrainingError: the model cannot be asked.

    """
    field = WRITTEN[examiner.name].field
    return [json.loads(one)[field] or "" for one in examiner.answer(model, rows).to_pylist()]


def why_nothing_written(task_type: str) -> str:
    """Why models of a task type write no text; empty where they do."""
    if task_type in WRITTEN:
        return ""
    return f"its models write no text; those of {', '.join(WRITTEN)} do"


def why_no_refusals(task_type: str) -> str:
    """Why models of a task type refuse no requests; empty where they may."""
    replying = [name for name, written in WRITTEN.items() if written.replies]
    if task_type in replying:
        return ""
    return f"its models reply to no requests; those of {', '.join(replying)} do"
