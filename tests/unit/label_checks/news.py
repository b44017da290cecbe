"""BBC News as the checks on labels read it, with faults planted in it."""

import hashlib
from collections.abc import Callable
from functools import cache

import numpy as np

from benchmarks.corpus import documents
from tasks.label_checks.row_sample import LabelledRows

# Enough to tell a topic by.
CHARACTERS = 2_000
TOPICS = ("business", "entertainment", "politics", "sports", "tech")


@cache
def _news() -> tuple[tuple[str, ...], tuple[str, ...]]:
    by_text = {text: topic for topic, text in documents()}
    return tuple(by_text), tuple(by_text.values())


def split_by_hash(row_id: str) -> str:
    """A fifth each of validation and test rows."""
    return {0: "validation", 1: "test"}.get(int(row_id, 16) % 5, "train")


def news(
    change: Callable[[int, str, str], str] = lambda _, text, __: text, *, every: int = 1
) -> LabelledRows:
    """Every so-manieth document, its text changed by its number, text and topic."""
    texts, topics = ([*some][::every] for some in _news())
    row_ids = tuple(hashlib.sha256(text.encode()).hexdigest() for text in texts)
    class_ids = np.array([TOPICS.index(topic) for topic in topics])
    return LabelledRows(
        row_ids=row_ids,
        splits=np.array([split_by_hash(row_id) for row_id in row_ids]),
        texts=tuple(
            change(number, text[:CHARACTERS], topic)
            for number, (text, topic) in enumerate(zip(texts, topics, strict=True))
        ),
        labels=np.eye(len(TOPICS), dtype=np.bool_)[class_ids],
        names=TOPICS,
        clusters=None,
        rows_in_all=len(row_ids),
    )
