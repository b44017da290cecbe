"""The threshold below which a classifier answers `abstain`, in the model's own folder.

It is a file beside the weights, so that whoever serves that folder abstains as it was evaluated,
and the digest of the weights is of the threshold as well. A model that is trained on from such a
folder is written anew, without it.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from infra.errors import BaseModelError
from tasks.records.abstention import Abstention

# The script in tasks.task_types.served reads the same file, and answers by the same name.
FILE: Final = "abstention.json"
ABSTAIN: Final = "abstain"


def why_no_softmax(task_type: str) -> str:
    """Why answers of a task type are no label of one softmax over a text; empty where they are."""
    if task_type == "classification":
        return ""
    return (
        "it is of classification, whose answers are one label with its probability, and the "
        f"task_type is {task_type}"
    )


def write_abstention(folder: Path, abstention: Abstention) -> None:
    """Put a threshold into a model's folder."""
    content = json.dumps(asdict(abstention), indent=2, sort_keys=True)
    (folder / FILE).write_text(content + "\n", encoding="utf-8")


def read_threshold(folder: Path) -> float | None:
    """The threshold of a model's folder; None of one that answers every row.

    Raises:
        BaseModelError: its file cannot be read, or names no threshold from 0 to 1.

    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        threshold = json.loads(path.read_text(encoding="utf-8"))["threshold"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaseModelError(f"{path} names no threshold: {error!r}") from error
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise BaseModelError(f"{path} has the threshold {threshold!r}; right would be a number")
    if not 0 <= threshold <= 1:
        raise BaseModelError(f"{path} has the threshold {threshold}; right would be from 0 to 1")
    return float(threshold)
