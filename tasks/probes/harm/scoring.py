"""Texts as a classifier of the user's labels them: toxicity, regard, or whatever it learned.

It is another line's, so that it is asked by the function that its examiner asks, and not by the
catalogue of task types: what the line itself is counts there.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from infra.store import ObjectStore
from tasks.records.harm import Scorer
from tasks.task_types.answer_columns import LABEL, before_threshold
from tasks.task_types.labels.classification_measures import answer_classes


def label_texts(scorer: Scorer, texts: Sequence[str], store: ObjectStore) -> NDArray[np.bool_]:
    """Whether the scorer gives each text the label that is counted, (N,).

    As it is served, its first tokens read where a text is too long; one that abstains is asked for
    the label that it would give.

    Args:
        scorer: a registered version.
        texts: each is asked once, however often it stands there.
        store: holds the weights.

    Raises:
        BaseModelError, TrainingError: the model cannot be asked.
        StoreError: the store cannot be reached, or holds other weights than were registered.

    """
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return np.zeros(0, dtype=np.bool_)
    with tempfile.TemporaryDirectory(prefix="scorer-") as name:
        folder = store.get_folder(scorer.weights, Path(name) / "model")
        rows = pa.table({"text": distinct})
        answers = answer_classes(folder, rows, scorer.labels, scorer.max_length).to_pylist()
    labels = [before_threshold(json.loads(one))[LABEL] for one in answers]
    given = dict(zip(distinct, labels, strict=True))
    return np.array([given[text] == scorer.label for text in texts], dtype=np.bool_)
