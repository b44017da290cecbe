"""What answers are compared in: their labels and their confidence, counted."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from tasks.drift.row_samples import SampledRow
from tasks.monitoring.samples import LeastKeys

# Confidence is counted in steps of a ten-thousandth, so that the counts of any number of rows are
# as large as those of few.
CONFIDENCE_STEPS: Final = 10_000

# Longer answers count as this long, in characters.
LONGEST: Final = 100_000
# Where an answer has what the model wrote: of translation and summarisation, of chat and question
# answering, and of a causal language model.
WRITTEN: Final = ("text", "answer", "continuation")

Labels = tuple[str, ...]
Sampled = tuple[SampledRow, ...]


def read_answer(answer: str | None) -> dict[str, Any] | None:
    """An answer as it was served; None where it is no JSON object."""
    try:
        found = json.loads(answer) if answer else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def labels_of(answer: dict[str, Any]) -> Labels | None:
    """The label or labels that an answer gives; None where answers of its kind have none."""
    label, several = answer.get("label"), answer.get("labels")
    if isinstance(label, str):
        return (label,)
    if isinstance(several, list) and all(isinstance(one, str) for one in several):
        return tuple(several) or ("(none)",)
    return None


def score_of(answer: dict[str, Any]) -> float | None:
    """The score of an answer; None where it has none."""
    score = answer.get("score")
    return float(score) if isinstance(score, int | float) and isfinite(score) else None


def length_of(answer: dict[str, Any]) -> int | None:
    """Characters that the model wrote; None where answers of its kind are no text."""
    for name in WRITTEN:
        if isinstance(said := answer.get(name), str):
            return min(len(said.strip()), LONGEST)
    return None


@dataclass
class AnswerCounts:
    """The answers of one side.

    Attributes:
        rows: answers that were counted.
        labels: how many rows bear each label.
        label_rows: rows whose answer has labels.
        confidences: how many rows have which confidence, in steps of `CONFIDENCE_STEPS`.
        unbounded: scores below 0 or above 1, as logits are: with one of them none is a confidence.
        lengths: how many rows have an answer of how many characters.
        sample: labels and confidence of the rows of least hash, the request of each, and the
            length of its answer; -1 where it has no confidence or no length.

    """

    most: int
    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    label_rows: int = 0
    confidences: Counter[int] = field(default_factory=Counter)
    unbounded: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    sample: "LeastKeys[tuple[Labels, int, str, int]]" = field(init=False)

    def __post_init__(self) -> None:
        self.sample = LeastKeys(self.most)

    def count(self, answer: dict[str, Any], key: int, request: str, *, drawn: bool) -> None:
        """Count one answer.

        Args:
            answer: as it was served.
            key: hash of its row.
            request: that it belongs to; empty where rows are no clusters.
            drawn: whether the sample asks for the key.

        """
        labels, score, length = labels_of(answer), score_of(answer), length_of(answer)
        self.rows += 1
        if labels is not None:
            self.labels.update(labels)
            self.label_rows += 1
        if score is not None:
            self.confidences[step_of(score)] += 1
            self.unbounded += not 0 <= score <= 1
        if length is not None:
            self.lengths[length] += 1
        if drawn:
            step = -1 if score is None else step_of(score)
            written = -1 if length is None else length
            self.sample.add(key, (labels or (), step, request, written))

    @property
    def bounded_confidences(self) -> Counter[int]:
        """Confidences, where all scores are some; else none."""
        return Counter() if self.unbounded else self.confidences

    @property
    def confident_rows(self) -> int:
        """Rows whose answer has a confidence."""
        return self.bounded_confidences.total()

    @property
    def has_one_label(self) -> bool:
        """Whether each answer that has labels has one."""
        return self.labels.total() == self.label_rows

    @property
    def mean_confidence(self) -> float | None:
        """Of all rows that have one."""
        if not self.confident_rows:
            return None
        total = sum(step * rows for step, rows in self.confidences.items())
        return round(total / self.confident_rows / CONFIDENCE_STEPS, 4)

    @property
    def written_rows(self) -> int:
        """Rows whose answer is a text, maybe an empty one."""
        return self.lengths.total()

    @property
    def empty_share(self) -> float | None:
        """Share of the written answers that hold nothing; None where none is a text."""
        rows = self.written_rows
        return round(self.lengths[0] / rows, 6) if rows else None

    def sampled(self, requests: frozenset[str], *, by_length: bool = False) -> Sampled:
        """The rows of the sample as the checks of drift read them.

        Args:
            requests: those with several sampled rows, which are clusters.
            by_length: whether ``characters`` is the length of the answer, and not its confidence.

        """
        return tuple(
            SampledRow(
                key, str(key), "", labels, request if request in requests else "",
                length if by_length else step,
            )
            for key, (labels, step, request, length) in self.sample.drawn()
        )  # fmt: skip

    def shared_requests(self) -> frozenset[str]:
        """Requests of which the sample has several rows."""
        return shared(request for _, (_, _, request, _) in self.sample.drawn())


def step_of(confidence: float) -> int:
    """A confidence as it is counted."""
    return round(min(1.0, max(0.0, confidence)) * CONFIDENCE_STEPS)


def shared(requests: Iterable[str]) -> frozenset[str]:
    """The requests that are named more than once."""
    return frozenset(name for name, times in Counter(requests).items() if name and times > 1)
