"""The version in production, scored on the candidate's test rows."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.errors import AssaylineError
from tasks.evaluation.comparison import Rival
from tasks.records import Champion
from tasks.task_types.tokenizers import load_tokenizer, longest_text

# Model folder, texts and tokens a text is cut to, to probabilities (N, L).
Scorer = Callable[[Path, Sequence[str], int], NDArray[np.float32]]


def run_champion(
    champion: Champion,
    folder: Path,
    texts: Sequence[str],
    labels: tuple[str, ...],
    score: Scorer,
) -> Rival:
    """Predict the test rows with the champion.

    A champion that cannot be compared is a rival that says nothing, with the reason, so that every
    gate on it is undetermined.

    Args:
        champion: the version.
        folder: its model as transformers saves it, with the tokenizer.
        texts: of the test rows.
        labels: the candidate's label set.
        score: the scorer.

    """
    name = f"version {champion.version} of {champion.line}"
    try:
        known = champion_labels(folder)
        if set(known) != set(labels):
            reason = f"{name} knows the labels {sorted(known)}, the candidate {sorted(labels)}"
            return Rival("champion", None, reason)
        probabilities = score(folder, texts, champion_max_length(folder))
    except (AssaylineError, OSError, ValueError, KeyError, RuntimeError) as error:
        return Rival("champion", None, f"{name} cannot be loaded: {error}")
    if not np.isfinite(probabilities).all():
        return Rival("champion", None, f"{name} gives scores that are no numbers")
    ours = np.array([labels.index(label) for label in known])
    return Rival("champion", ours[probabilities.argmax(axis=1)])


def champion_labels(folder: Path) -> tuple[str, ...]:
    """Label of each class id, from the model's own configuration."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    id2label: dict[str, str] = config["id2label"]
    return tuple(id2label[str(index)] for index in range(len(id2label)))


def champion_max_length(folder: Path) -> int:
    """Tokens that the champion's texts are cut to, as they are where it serves."""
    return longest_text(folder, load_tokenizer(folder))
