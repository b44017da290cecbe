"""The trivial extractor: the types of two entities and the words between them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tasks.task_types.labels.bag_of_words import linear_baseline
from tasks.task_types.relations.relation_labels import class_ids


def predict_by_words_between(
    train: pa.Table, test: pa.Table, labels: Sequence[str]
) -> pa.Table | str:
    """A bag of words with logistic regression, over types, order and the words between.

    Returns:
        Arrow table with predicted (class ids); or the reason why there is none.

    """
    truth = class_ids(train, labels)
    if len(np.unique(truth)) == 1:
        return "the training rows have one relation only"
    texts = _told(train)
    model = linear_baseline(texts)
    try:
        model.fit(texts, truth)
    except ValueError as error:  # no word at all is left of the texts
        return f"no TF-IDF baseline of these texts: {error}"
    predicted = np.asarray(model.predict(_told(test)), dtype=np.int64)
    return pa.table({"predicted": pa.array(predicted, pa.int32())})


def _told(rows: pa.Table) -> list[str]:
    """What is known of each pair without its surroundings, as words."""
    columns = [
        rows[name].to_pylist()
        for name in (
            "text", "subject_start", "subject_end", "subject_type",
            "object_start", "object_end", "object_type",
        )
    ]  # fmt: skip
    told = []
    for text, start, end, kind, object_start, object_end, object_kind in zip(*columns, strict=True):
        order = "forward" if start <= object_start else "backward"
        first, second = sorted([(start, end), (object_start, object_end)])
        types = f"subject_{kind} object_{object_kind}".replace(" ", "_")
        told.append(f"{types} {order} {text[first[1] : second[0]]}")
    return told
