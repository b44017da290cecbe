"""The labels that a trained model tells apart."""

import json
from pathlib import Path

from infra.errors import BaseModelError


def model_labels(folder: Path) -> tuple[str, ...]:
    """Label of each class id, from the model's own configuration.

    Raises:
        BaseModelError: it cannot be read, or names no labels.

    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        id2label: dict[str, str] = config["id2label"]
        return tuple(id2label[str(index)] for index in range(len(id2label)))
    except (OSError, ValueError, KeyError) as error:
        raise BaseModelError(f"{folder}/config.json names no labels: {error!r}") from error
