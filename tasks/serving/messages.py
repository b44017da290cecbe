"""What the server and a model's process say to each other: JSON behind its length in bytes.

The first message of the server names the model (`ModelSpec`), and is answered by ``{}`` or by
``{"error": ...}``. Each later one is a list of rows, and is answered by ``{"answers": [...]}``, one
a row, or by ``{"error": ...}``. One message is under way at a time.
"""

import json
import struct
from dataclasses import dataclass
from typing import Any, Final

from tasks.task_types.limits import TokenLimits

LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True)
class ModelSpec:
    """Which model a process holds, and how it is asked.

    Attributes:
        folder: the model and its tokenizer, as transformers loads them.
        task_type: what it is for.
        labels: of its outputs, in their order.
        limits: lengths in tokens.
        method: by which its answers are explained; empty where they are given.

    """

    folder: str
    task_type: str
    labels: tuple[str, ...]
    limits: TokenLimits
    method: str = ""

    @classmethod
    def of(cls, told: dict[str, Any]) -> "ModelSpec":
        """As `dataclasses.asdict` wrote it, read from JSON."""
        limits = TokenLimits(**told["limits"])
        labels = tuple(told["labels"])
        return cls(told["folder"], told["task_type"], labels, limits, told["method"])


def packed(message: object) -> bytes:
    """A message as it is written."""
    content = json.dumps(message, ensure_ascii=False).encode()
    return LENGTH.pack(len(content)) + content
