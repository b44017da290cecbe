"""Ask the trained classifier about out-of-distribution texts: a stage's function."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from scipy.special import softmax

from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.evaluation.held_out import read_rows
from tasks.evaluation.settings import EvaluationSettings
from tasks.perturbations.draws import rank_of
from tasks.probes.out_of_distribution.distances import (
    class_means,
    energy,
    max_softmax,
    neighbour_distances,
)
from tasks.probes.out_of_distribution.files import read_out_of_distribution_texts
from tasks.probes.out_of_distribution.judging import ScoredSets, judge_scores, share_answered
from tasks.probes.out_of_distribution.settings import (
    ANSWERED,
    ENERGY,
    FAMILY,
    KNN,
    MAHALANOBIS,
    MSP,
    OutOfDistributionSettings,
)
from tasks.records.data import DataReport, SourceFile
from tasks.records.evaluation import Scores
from tasks.records.out_of_distribution import OutOfDistribution, OutOfDistributionText
from tasks.records.training import Weights
from tasks.resampling import Floats
from tasks.task_types.kept_models import keep_models
from tasks.task_types.labels.classification_measures import class_ids
from tasks.task_types.labels.model_labels import model_labels
from tasks.task_types.labels.text_features import has_features, text_features
from tasks.task_types.labels.text_logits import text_logits
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import CLUSTER

NO_FEATURES: Final = (
    "The compressed model is one file of ONNX, whose layers are not looked into: distances of "
    "embeddings are not told."
)
SHOWN, SHOWN_CHARS = 5, 160


def add_out_of_distribution(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    file: SourceFile,
    task_type: str,
    settings: OutOfDistributionSettings,
    evaluation: EvaluationSettings,
    *,
    store: ObjectStore,
) -> Scores:
    """The scores with out_of_distribution.SCORE.auroc, .flagged and .false_positive_rate.

    Distances are from training rows and thresholds from validation rows; neither test rows nor
    those of the file have a part in them.

    Args:
        scores: of the candidate.
        weights: the candidate.
        data: the clean rows.
        file: out-of-distribution texts.
        task_type: what the model is for.
        settings: how many rows.
        evaluation: how intervals are made.
        store: holds the artifacts.

    Raises:
        DataError: a split is empty, or the file changed.
        BaseModelError, TrainingError: the model cannot be asked.
        StoreError: an artifact is missing.

    """
    shape, length = shape_of(task_type), weights.max_length
    outside = read_out_of_distribution_texts(settings, file, store)
    with (
        tempfile.TemporaryDirectory(prefix="out-of-distribution-") as name,
        quiet_transformers(),
        keep_models(),
    ):
        work = Path(name)
        clean = store.get_file(data.clean, work / "clean.parquet")
        train, validation, test = (
            read_rows(clean, split, shape) for split in ("train", "validation", "test")
        )
        model = store.get_folder(weights.artifact, work / "model")
        labels = model_labels(model)
        train = of_least_hash(train, settings.training_rows)
        asked = _Asked.of(model, length, validation["text"].to_pylist(), test, outside)
        told = {
            MSP: asked.scored(max_softmax),
            ENERGY: asked.scored(energy),
            **_of_features(model, length, train, asked, labels, settings.neighbours),
        }
    clustered = evaluation.by_cluster and CLUSTER in test.column_names
    judged = judge_scores(
        told, test["row_id"].to_pylist(), test[CLUSTER].to_pylist() if clustered else None,
        evaluation,
    )  # fmt: skip
    probabilities = softmax(asked.logits[2], axis=1)
    answered = None
    if weights.abstention:
        given = probabilities.max(axis=1) >= weights.abstention.threshold
        name = f"{FAMILY}.{ANSWERED}"
        answered = share_answered(name, given.astype(np.float64), evaluation)
    found = OutOfDistribution(
        path=file.uri,
        sha256=file.fingerprint,
        rows=len(outside),
        test_rows=test.num_rows,
        training_rows=train.num_rows if asked.features else 0,
        scores=judged,
        answered=answered,
        surest=_surest(outside, probabilities, labels),
        note="" if asked.features else NO_FEATURES,
        on=datetime.now(UTC).date().isoformat(),
    )
    return replace(
        scores, estimates=(*scores.estimates, *found.estimates), out_of_distribution=found
    )


def of_least_hash(rows: pa.Table, most: int) -> pa.Table:
    """At most so many rows, chosen by the hash of their ids, in their order."""
    if rows.num_rows <= most:
        return rows
    ranks = [rank_of(0, FAMILY, one) for one in rows["row_id"].to_pylist()]
    chosen = sorted(sorted(range(len(ranks)), key=ranks.__getitem__)[:most])
    return rows.take(pa.array(chosen))


@dataclass(frozen=True, eq=False)
class _Asked:
    """Outputs, and inputs of the last layer where they can be had, of three sets of rows.

    Attributes:
        logits: of validation rows, test rows and out-of-distribution texts, (N, L) each.
        features: likewise, (N, H) each; empty where the model has none.

    """

    logits: tuple[Floats, ...]
    features: tuple[Floats, ...]

    @classmethod
    def of(
        cls, model: Path, length: int, validation: list[str], test: pa.Table, outside: list[str]
    ) -> "_Asked":
        sets = (validation, test["text"].to_pylist(), outside)
        if not has_features(model):
            asked = [text_logits(model, one, max_length=length)[0] for one in sets]
            return cls(tuple(one.astype(np.float64) for one in asked), ())
        both = [text_features(model, one, max_length=length) for one in sets]
        return cls(tuple(one for one, _ in both), tuple(one for _, one in both))

    def scored(self, score: Callable[[Floats], Floats]) -> ScoredSets:
        """A score of outputs."""
        return ScoredSets(*map(score, self.logits))


def _of_features(
    model: Path, length: int, train: pa.Table, asked: _Asked, labels: Sequence[str], k: int
) -> dict[str, ScoredSets]:
    """Distances from the embeddings of training rows; none of a model without."""
    if not asked.features:
        return {}
    _, known = text_features(model, train["text"].to_pylist(), max_length=length)
    fitted = class_means(known, class_ids(train, labels))
    return {
        MAHALANOBIS: ScoredSets(*map(fitted.distances, asked.features)),
        KNN: ScoredSets(*(neighbour_distances(known, one, k) for one in asked.features)),
    }


def _surest(
    outside: Sequence[str], probabilities: Floats, labels: Sequence[str]
) -> tuple[OutOfDistributionText, ...]:
    best = probabilities.max(axis=1)
    order = np.argsort(-best, kind="stable")[:SHOWN]
    return tuple(
        OutOfDistributionText(
            outside[row][:SHOWN_CHARS], labels[probabilities[row].argmax()], float(best[row])
        )
        for row in order
    )
