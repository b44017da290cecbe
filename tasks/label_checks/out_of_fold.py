"""What a bag of words says of each row, learnt from other rows."""

from typing import Final

import numpy as np

from tasks.label_checks.row_sample import LabelledRows, hash_of
from tasks.resampling import Floats, Ints
from tasks.task_types.labels.bag_of_words import bag_of_words

FOLDS: Final = 5
# Rows of a label below which it is left out: each fit must learn it from some.
MIN_LABEL_ROWS: Final = 10


def out_of_fold(rows: LabelledRows, class_ids: Ints, size: int, seed: int) -> "Floats | str":
    """Probabilities (N, L) of logistic regressions over a bag of words, none of which saw the row.

    One against the rest by liblinear, which takes a thirtieth of the time of the multinomial fit of
    `linear_baseline` and finds the same suspects. Rows of one cluster share a fold.

    Args:
        rows: N rows.
        class_ids: of each row, (N,), from 0 to L - 1.
        size: labels L.
        seed: of the folds.

    Returns:
        The probabilities, or the reason why there are none.

    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    folds = np.array([hash_of(one, seed) % FOLDS for one in rows.together])
    for fold in range(FOLDS):
        if len(np.unique(class_ids[folds != fold])) < size:
            return "all rows of a label are of so few clusters that no fit could learn it"
    try:
        table = bag_of_words(rows.texts).fit_transform(rows.texts)
    except ValueError as error:  # no word at all is left of the texts
        return f"no bag of words of these texts: {error}"
    probabilities = np.zeros((len(class_ids), size))
    for fold in range(FOLDS):
        own = folds == fold
        if not own.any():
            continue
        one = LogisticRegression(solver="liblinear", dual=True, random_state=seed)
        model = OneVsRestClassifier(one).fit(table[~own], class_ids[~own])
        probabilities[own] = model.predict_proba(table[own])
    return probabilities
