"""Texts as a classifier of the user's labels them: toxicity, regard, or whatever it learned."""

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
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.roles import CLASSIFIES_TEXTS
from tasks.task_types.row_shapes import shape_of


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
    (column,) = shape_of(CLASSIFIES_TEXTS).inputs
    examiner = examiner_of(CLASSIFIES_TEXTS, scorer.labels, TokenLimits(scorer.max_length))
    with tempfile.TemporaryDirectory(prefix="scorer-") as name:
        folder = store.get_folder(scorer.weights, Path(name) / "model")
        answers = examiner.answer(folder, pa.table({column.name: distinct})).to_pylist()
    labels = [before_threshold(json.loads(one))[LABEL] for one in answers]
    given = dict(zip(distinct, labels, strict=True))
    return np.array([given[text] == scorer.label for text in texts], dtype=np.bool_)
