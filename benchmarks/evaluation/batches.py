"""Texts that are asked together, as those of requests that are served, in batches of least work.

MiniLM with a random head on one core, by processor time, so that other work on the machine says
little. Each way answers the same texts, drawn by chance, once before and then twice, and its
shorter time counts; full batches are what `fill_batches` makes within the same budget. What is
measured (full batches' time over ours; higher is better):

- `mixed_vs_full_batches`: 8 texts at once, sentences and whole documents of up to 512 tokens;
  `sentences_vs_full_batches`: 16 sentences at once.
- `mixed_ms_a_row`, `sentences_ms_a_row`: our own milliseconds of a core.
- `batches_apart`: how far the probabilities of the two ways are apart, at most.
"""

import json
import random
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import documents, sentences
from benchmarks.evaluation.scoring import MAX_LENGTH, TOLERANCE, save_model
from infra.transformers_logs import quiet_transformers
from tasks.task_types import scoring
from tasks.task_types.batches import fill_batches
from tasks.task_types.kept_models import keep_models
from tasks.task_types.labels.text_logits import text_probabilities

DOCUMENT_SHARE: Final = 0.4
ROUNDS: Final = 2

Probabilities = NDArray[np.float32]


def measure(requests: int = 12) -> dict[str, float]:
    """The ratios of processor time.

    Args:
        requests: of each kind.

    """
    draw = random.Random(0)  # noqa: S311 - a benchmark's draw, no secret
    short = [text for _, text in sentences()]
    long = [text for _, text in documents()]
    kinds = {
        "mixed": [
            [draw.choice(long if draw.random() < DOCUMENT_SHARE else short) for _ in range(8)]
            for _ in range(requests)
        ],
        "sentences": [draw.sample(short, 16) for _ in range(requests)],
    }
    figures = {"batches_apart": 0.0}
    with tempfile.TemporaryDirectory(prefix="bench-batches-") as name, _one_core():
        folder = save_model(Path(name) / "model")
        for kind, texts in kinds.items():
            full_s, ours_s, apart = _compare(folder, texts)
            figures[f"{kind}_vs_full_batches"] = full_s / ours_s
            figures[f"{kind}_ms_a_row"] = ours_s * 1000 / sum(map(len, texts))
            figures["batches_apart"] = max(figures["batches_apart"], apart)
    return figures


@contextmanager
def _one_core() -> Iterator[None]:
    """Waiting threads use a processor as well."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with quiet_transformers(), keep_models():
            yield
    finally:
        torch.set_num_threads(threads)


def _compare(folder: Path, requests: list[list[str]]) -> tuple[float, float, float]:
    """Seconds of a core of full batches and of ours, and how far their answers are apart."""
    ways: list[Callable[[], tuple[float, Probabilities]]] = [
        lambda: _in_full_batches(folder, requests),
        lambda: _answer(folder, requests),
    ]
    times, answers = [float("inf")] * 2, [np.zeros(0, np.float32)] * 2
    for way in ways:
        way()
    for _ in range(ROUNDS):
        for place, way in enumerate(ways):
            seconds, answers[place] = way()
            times[place] = min(times[place], seconds)
    if (apart := float(np.abs(answers[0] - answers[1]).max())) > TOLERANCE:
        raise SystemExit(f"the outputs differ by {apart:.2g}; at most {TOLERANCE:g} may be")
    return times[0], times[1], apart


def _in_full_batches(folder: Path, requests: list[list[str]]) -> tuple[float, Probabilities]:
    def full(_model: object, lengths: list[int], budget: int) -> Iterator[list[int]]:
        return fill_batches(lengths, budget)

    with patch.object(scoring, "batches_to_score", full):
        return _answer(folder, requests)


def _answer(folder: Path, requests: list[list[str]]) -> tuple[float, Probabilities]:
    begun = _used_s()
    answers = [text_probabilities(folder, texts, max_length=MAX_LENGTH) for texts in requests]
    return _used_s() - begun, np.concatenate(answers)


def _used_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(measure()))
