"""What a classifier answers to held-out rows, and what is measured of it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from infra.errors import BaseModelError, DataError
from tasks.resampling import Floats, Ints
from tasks.task_types.answer_columns import PROBABILITIES
from tasks.task_types.labels.abstention import ABSTAIN, read_threshold
from tasks.task_types.labels.bag_of_words import linear_baseline
from tasks.task_types.labels.calibration import (
    BINS,
    calibration_table,
    equal_width_bins,
    probability_measures,
)
from tasks.task_types.labels.confusion import (
    confusion_matrix,
    label_measures,
    overall_measures,
    rarest_label,
    why_no_macro,
)
from tasks.task_types.labels.model_labels import model_labels
from tasks.task_types.labels.probabilities import probabilities_by_label
from tasks.task_types.labels.ranking import ranking_measures
from tasks.task_types.labels.text_logits import text_probabilities
from tasks.task_types.measures import Measured

LEADING = ("macro_f1", "accuracy")


def predict_classes(
    folder: Path, rows: "pa.Table", labels: Sequence[str], max_length: int
) -> pa.Table:
    """Columns answer, label and predicted (class ids) and probabilities; see `Examiner.predict`.

    The model's own order of the labels does not matter.

    Raises:
        BaseModelError: the folder holds no such model, or it knows other labels.
        TrainingError: the model gives a score that is no number.

    """
    scores = _scores(folder, rows, labels, max_length)
    predicted = scores.argmax(axis=1) if len(scores) else np.zeros(0, np.int64)
    flat = pa.array(scores.reshape(-1), pa.float32())
    offsets = pa.array(np.arange(len(scores) + 1, dtype=np.int32) * len(labels))
    return pa.table(
        {
            "answer": _answers(scores, labels, read_threshold(folder)),
            "label": pa.array(class_ids(rows, labels), pa.int32()),
            "predicted": pa.array(predicted, pa.int32()),
            "probabilities": pa.ListArray.from_arrays(offsets, flat),
        }
    )


def answer_classes(
    folder: Path, rows: "pa.Table", labels: Sequence[str], max_length: int
) -> pa.Array:
    """The answer to each row; see `Examiner.answer`.

    Raises:
        BaseModelError, TrainingError: as `predict_classes`.

    """
    return _answers(_scores(folder, rows, labels, max_length), labels, read_threshold(folder))


def classes_as_columns(
    folder: Path, rows: "pa.Table", labels: Sequence[str], max_length: int
) -> pa.Table:
    """Columns label, score and probabilities; see `Examiner.answer_columns`.

    Of a model that abstains also likeliest, the label that it would have given.

    Raises:
        BaseModelError, TrainingError: as `predict_classes`.

    """
    scores, threshold = _scores(folder, rows, labels, max_length), read_threshold(folder)
    predicted = scores.argmax(axis=1) if len(scores) else np.zeros(0, np.int64)
    likeliest = pa.array(labels, pa.string()).take(pa.array(predicted))
    best = scores.max(axis=1, initial=0).astype(np.float64)
    columns = {"label": likeliest, "score": pa.array(best)}
    if threshold is not None:
        withheld = pa.array(best < threshold, pa.bool_())
        columns["label"] = pc.if_else(withheld, ABSTAIN, likeliest)
        columns["likeliest"] = likeliest
    return pa.table(columns | {PROBABILITIES: probabilities_by_label(scores, labels)})


def _scores(
    folder: Path, rows: "pa.Table", labels: Sequence[str], max_length: int
) -> NDArray[np.float32]:
    """Probabilities (N, L) in the order of rows and labels."""
    known = model_labels(folder)
    if set(known) != set(labels) or len(known) != len(labels):
        raise BaseModelError(
            f"the model in {folder} knows the labels {sorted(known)}; right would be "
            f"{sorted(labels)}"
        )
    scores = text_probabilities(folder, rows["text"].to_pylist(), max_length=max_length)
    return scores[:, [known.index(label) for label in labels]]


def _answers(
    scores: NDArray[np.float32], labels: Sequence[str], threshold: float | None
) -> pa.Array:
    """The label that each row is given, with its probability, as JSON.

    With a threshold, `ABSTAIN` where the probability is lower, and the likeliest label in any case.
    """
    predicted = scores.argmax(axis=1) if len(scores) else np.zeros(0, np.int64)
    best = scores.max(axis=1, initial=0)

    def answer(label: str, score: float) -> dict[str, object]:
        if threshold is None:
            return {"label": label, "score": score}
        given = label if score >= threshold else ABSTAIN
        return {"label": given, "score": score, "likeliest": label}

    answers = [
        json.dumps(answer(labels[label], float(score)), ensure_ascii=False)
        for label, score in zip(predicted, best, strict=True)
    ]
    return pa.array(answers, pa.string())


def class_ids(rows: "pa.Table", labels: Sequence[str]) -> Ints:
    """Class id of each row's label.

    Raises:
        DataError: a label is outside the label set, or missing.

    """
    ids = {label: index for index, label in enumerate(labels)}
    names = rows["label"].to_pylist()
    if unknown := sorted({str(name) for name in names if name not in ids}):
        raise DataError(f"the rows have labels outside {list(labels)}: {unknown}")
    return np.array([ids[name] for name in names], dtype=np.int64)


def measure_classes(rows: "pa.Table", answers: "pa.Table", labels: Sequence[str]) -> Measured:
    """Metrics of single labels; those of probabilities where the answers have any.

    Args:
        rows: Arrow table with label.
        answers: Arrow table with predicted (class ids), and maybe probabilities.
        labels: the label set.

    """
    truth = class_ids(rows, labels)
    predicted = answers["predicted"].to_numpy().astype(np.int64)
    matrix = confusion_matrix(truth, predicted, len(labels))
    measures = [
        *overall_measures(truth, predicted, labels),
        *label_measures(truth, predicted, labels),
    ]
    calibration: tuple[tuple[float, float, int], ...] = ()
    if "probabilities" in answers.column_names:
        scores = _probabilities(answers, len(labels))
        confidence, correct = scores.max(axis=1), scores.argmax(axis=1) == truth
        calibration = calibration_table(confidence, correct, equal_width_bins(confidence, BINS))
        measures += [
            *(
                replace(one, rarest=rarest_label(labels, matrix.sum(axis=1)))
                for one in ranking_measures(truth, scores, why_no_macro(matrix, labels))
            ),
            *probability_measures(truth, scores),
        ]
    return Measured(
        measures=tuple(measures),
        row_scores=(truth == predicted).astype(np.float64),
        leading=LEADING,
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
        calibration=calibration,
    )


def _probabilities(answers: "pa.Table", size: int) -> Floats:
    flat = answers["probabilities"].combine_chunks().flatten()
    return np.asarray(flat.to_numpy(zero_copy_only=False), dtype=np.float64).reshape(-1, size)


def predict_by_words(
    train: "pa.Table", test: "pa.Table", labels: Sequence[str]
) -> "pa.Table | str":
    """A bag of words trained on the training rows, texts in full; see `Examiner.baseline`."""
    truth = class_ids(train, labels)
    if len(np.unique(truth)) == 1:
        return "the training rows have one label only"
    texts = train["text"].to_pylist()
    model = linear_baseline(texts)
    try:
        model.fit(texts, truth)
    except ValueError as error:  # no word at all is left of the texts
        return f"no TF-IDF baseline of these texts: {error}"
    predicted = np.asarray(model.predict(test["text"].to_pylist()), dtype=np.int64)
    return pa.table({"predicted": pa.array(predicted, pa.int32())})
