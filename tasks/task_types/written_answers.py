"""Task types whose models write a text, and where it stands in their answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


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
