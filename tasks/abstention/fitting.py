"""Fit the threshold of a trained classifier on its validation rows: a stage's function."""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from infra.digests import digest_of
from infra.errors import TrainingError
from infra.store import ObjectStore
from tasks.abstention.checks import check_labels
from tasks.abstention.settings import AbstentionSettings
from tasks.abstention.thresholds import set_threshold, threshold_for
from tasks.abstention.validation_rows import has_clusters, rows_to_fit_on
from tasks.records.abstention import Abstention
from tasks.records.data import DataReport
from tasks.records.training import Weights
from tasks.resampling import Floats, Ints
from tasks.task_types.labels.abstention import write_abstention
from tasks.task_types.labels.classification_measures import class_ids
from tasks.task_types.labels.model_labels import model_labels
from tasks.task_types.labels.text_logits import text_probabilities

logger = logging.getLogger(__name__)


def fit_abstention(
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: AbstentionSettings,
    *,
    store: ObjectStore,
) -> Weights:
    """The same classifier with its threshold in its folder, which is another artifact.

    Test rows have no part in it. Of rows in clusters one of each is taken, by the hash of its id,
    so that the guarantee is of a row drawn from each cluster.

    Raises:
        DataError: so few validation rows leave no threshold, or a label is called as an answer.
        TrainingError: no threshold keeps to the risk: the model's surest answers are wrong too
            often.
        StoreError: an artifact is missing.

    """
    check_labels(data.labels)
    with tempfile.TemporaryDirectory(prefix="abstention-") as name:
        work = Path(name)
        clean = store.get_file(data.clean, work / "clean.parquet")
        rows = rows_to_fit_on(clean, task_type, settings)
        model = store.get_folder(weights.artifact, work / "model")
        texts = rows["text"].to_pylist()
        probabilities = text_probabilities(model, texts, max_length=weights.max_length)
        truth = class_ids(rows, model_labels(model))
        fitted = replace(
            fit_thresholds(probabilities.astype(np.float64), truth, settings),
            of_clusters=has_clusters(rows),
        )
        write_abstention(model, fitted)
        key = digest_of({"weights": weights.artifact.sha256, "abstention": fitted})
        artifact = store.put_folder(store.uri("weights", key), model)
    logger.info(
        "abstains below %.4f: answers %d of %d validation rows, of which %d wrongly",
        fitted.threshold, fitted.answered, fitted.rows, fitted.wrong,
    )  # fmt: skip
    return replace(weights, artifact=artifact, abstention=fitted)


def fit_thresholds(probabilities: Floats, truth: Ints, settings: AbstentionSettings) -> Abstention:
    """The thresholds on score and probability.

    Args:
        probabilities: of the validation rows, (N, L).
        truth: class ids, (N,).
        settings: the risk and the coverage.

    Raises:
        TrainingError: no threshold keeps to the risk.

    """
    scores = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    threshold = threshold_for(scores, right, settings)
    if threshold is None:
        surely = f" with confidence {settings.confidence:g}" * (settings.risk_of == "answers")
        raise TrainingError(
            f"abstention: no threshold keeps the wrong {settings.risk_of} at or below "
            f"{settings.risk:g}{surely} on {len(truth)} validation rows, of which the model has "
            f"{(~right).sum()} wrong, too many of them among its surest answers; raise "
            "abstention.risk or splits.validation, or train a better model"
        )
    answered = scores >= threshold
    return Abstention(
        threshold=threshold,
        risk=settings.risk,
        risk_of=settings.risk_of,
        confidence=settings.confidence,
        set_threshold=set_threshold(probabilities, truth, settings.set_coverage),
        set_coverage=settings.set_coverage,
        rows=len(truth),
        answered=int(answered.sum()),
        wrong=int((answered & ~right).sum()),
    )
