"""Classifiers with faults that were put there, asked by the real examiner's metrics."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tasks.evaluation.examining import AskedExaminer
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.robustness.judging import AnsweredRows
from tasks.probes.robustness.settings import RobustnessSettings
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of

LABELS = ("bad", "good")
# From a text to the probability that it is good.
Model = Callable[[str], float]


@dataclass(frozen=True)
class Planted(AskedExaminer):
    """Answers as a function of the text says; measured as every classifier is."""

    model: Model

    def predict(self, folder: Path, rows: pa.Table) -> pa.Table:  # noqa: ARG002
        good = np.array([self.model(text) for text in rows["text"].to_pylist()])
        predicted = (good >= 0.5).astype(np.int32)
        answers = [
            json.dumps({"label": LABELS[one], "score": float(max(p, 1 - p))})
            for one, p in zip(predicted, good, strict=True)
        ]
        return pa.table(
            {
                "answer": pa.array(answers, pa.string()),
                "label": pa.array([LABELS.index(one) for one in rows["label"].to_pylist()]),
                "predicted": predicted,
                "probabilities": pa.array(
                    [[1 - p, p] for p in good.tolist()], pa.list_(pa.float64())
                ),
            }
        )


def rows_of(texts: list[tuple[str, str]], **more: list[Any]) -> pa.Table:
    """Test rows of texts and labels."""
    return pa.table(
        {
            "row_id": [f"{n:064x}" for n in range(len(texts))],
            "text": [text for text, _ in texts],
            "label": [label for _, label in texts],
            **more,
        }
    )


@pytest.fixture
def reviews() -> pa.Table:
    """Two hundred short reviews, half of them good, which name a number and a city."""
    texts = [
        (f"The film in London was {word}, I saw it {n + 10} times. Really {word} work.", label)
        for n in range(100)
        for word, label in (("wonderful", "good"), ("terrible", "bad"))
    ]
    return rows_of(texts)


@pytest.fixture
def known() -> Callable[..., AnsweredRows]:
    def make(rows: pa.Table, model: Model, **settings: Any) -> AnsweredRows:
        shape = shape_of("classification")
        evaluation = EvaluationSettings(repeats=4_000)
        examiner = Planted(
            examiner_of("classification", LABELS, TokenLimits(64)), evaluation, model
        )
        asked = RobustnessSettings.model_validate(settings)
        return AnsweredRows(shape, rows, examiner.predict(Path(), rows), examiner, asked, LABELS)

    return make
