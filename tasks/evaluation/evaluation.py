"""From trained weights to what is known of them: the stage's plain function."""

import hashlib
import io
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.errors import TrackingError, TrainingError
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks import task_types
from tasks.evaluation.baseline import run_baseline
from tasks.evaluation.calibration import calibration_error, calibration_table
from tasks.evaluation.champion import Scorer, run_champion
from tasks.evaluation.comparison import Rival, gain_estimates
from tasks.evaluation.confusion import confusion_matrix
from tasks.evaluation.held_out import LabelledRows, read_rows
from tasks.evaluation.quality import label_estimates, macro_estimates
from tasks.evaluation.settings import EvaluationSettings
from tasks.records import Champion, DataReport, Scores, Weights
from tasks.resampling import Floats, Ints
from tasks.task_types.scoring import score_texts
from tasks.verdicts import Estimate, undetermined

NO_CHAMPION = "no version in production yet"
# MLflow refuses other characters in a metric's name.
NOT_IN_METRIC_NAME = re.compile(r"[^/\w.\- :]")
BASELINE_METRICS = ("accuracy", "macro_f1")


def score_by_model(folder: Path, texts: Sequence[str], max_length: int) -> NDArray[np.float32]:
    """Probabilities (N, L) of a saved model."""
    return score_texts(folder, texts, max_length=max_length)


def evaluate_weights(
    weights: Weights,
    data: DataReport,
    champion: Champion | None,
    task_type: str,
    settings: EvaluationSettings,
    *,
    store: ObjectStore,
    tracking: Tracking,
    score: Scorer = score_by_model,
) -> Scores:
    """Measure candidate, baseline and champion on the test rows.

    Raises:
        DataError: the test or training split is empty, or a label is outside the label set.
        SettingsError: the task type is not known.
        StoreError, TrackingError: a server does not answer, or an artifact of the candidate is
            missing.
        TrainingError: the candidate's scores are no probabilities.

    """
    task_types.task_type(task_type)  # refuses an unknown one
    with tempfile.TemporaryDirectory(prefix="evaluate-") as name:
        work = Path(name)
        clean = store.get_file(data.clean, work / "clean.parquet")
        test = read_rows(clean, "test", data.labels)
        model = store.get_folder(weights.artifact, work / "candidate")
        probabilities = checked_probabilities(
            score(model, test.texts, weights.max_length), len(test.texts), len(data.labels)
        )
        rivals = [run_baseline(read_rows(clean, "train", data.labels), test, settings)]
        if champion:
            rivals.append(fetch_champion(champion, work, test, data.labels, tracking, score))
    scores = measure(test, probabilities, rivals, data.labels, champion, settings, store)
    tracking.log_metrics(weights.run_id, metrics_of(scores.estimates))
    return scores


def fetch_champion(
    champion: Champion,
    work: Path,
    test: LabelledRows,
    labels: tuple[str, ...],
    tracking: Tracking,
    score: Scorer,
) -> Rival:
    """Download the champion from the registry and predict the test rows.

    Raises:
        TrackingError: MLflow does not answer. A result without the champion would be kept and
            reused when the server is back; a champion whose artifact is lost or foreign stays so.

    """
    try:
        folder = tracking.download_version(champion.line, champion.version, work / "champion")
    except TrackingError as error:
        tracking.aliases(champion.line)  # raises if it is the server that fails
        return Rival("champion", None, f"the champion cannot be fetched: {error}")
    return run_champion(champion, folder, test.texts, labels, score)


def checked_probabilities(raw: NDArray[np.float32], rows: int, size: int) -> Floats:
    """The scores in float64, shape (N, L).

    Raises:
        TrainingError: they have another shape, or are not all finite.

    """
    if raw.shape != (rows, size):
        raise TrainingError(
            f"the candidate's scores have the shape {raw.shape}; right would be {(rows, size)}, "
            "one probability a test row and label"
        )
    broken = int((~np.isfinite(raw)).any(axis=1).sum())
    if broken:
        raise TrainingError(
            f"the candidate gives no finite scores for {broken} of {rows} test rows: its training "
            "diverged; lower training.learning_rate"
        )
    return raw.astype(np.float64)


def measure(
    test: LabelledRows,
    probabilities: Floats,
    rivals: list[Rival],
    labels: tuple[str, ...],
    champion: Champion | None,
    settings: EvaluationSettings,
    store: ObjectStore,
) -> Scores:
    """All estimates of the predictions, and the row-wise scores in the store."""
    predicted = probabilities.argmax(axis=1)
    estimates = [
        *macro_estimates("quality", test.truth, predicted, labels, settings),
        *label_estimates("quality", test.truth, predicted, labels),
        calibration_error("quality.calibration_error", test.truth, probabilities, settings),
        *_baseline_estimates(test.truth, rivals[0], labels, settings),
    ]
    for rival in rivals:
        estimates += gain_estimates(test.truth, predicted, rival, labels, settings)
    matrix = confusion_matrix(test.truth, predicted, len(labels))
    return Scores(
        artifact=write_scores(test, probabilities, rivals, store),
        labels=labels,
        rows=len(test.texts),
        estimates=tuple(estimates),
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
        calibration=calibration_table(test.truth, probabilities, settings.calibration_bins),
        champion_version=champion.version if champion else None,
        champion_note=rivals[-1].reason if champion else NO_CHAMPION,
    )


def _baseline_estimates(
    truth: Ints, baseline: Rival, labels: tuple[str, ...], settings: EvaluationSettings
) -> list[Estimate]:
    names = [f"baseline.{metric}" for metric in BASELINE_METRICS]
    if baseline.predicted is None:
        return [undetermined(name, len(truth), baseline.reason) for name in names]
    made = macro_estimates("baseline", truth, baseline.predicted, labels, settings)
    return [estimate for estimate in made if estimate.name in names]


def write_scores(
    test: LabelledRows, probabilities: Floats, rivals: list[Rival], store: ObjectStore
) -> Artifact:
    """Row-wise scores as Parquet, addressed by the digest of its bytes.

    A rival that says nothing has nulls.
    """
    columns: dict[str, pa.Array] = {
        "row_id": pa.array(test.row_ids, pa.string()),
        "label": pa.array(test.truth, pa.int32()),
        "predicted": pa.array(probabilities.argmax(axis=1), pa.int32()),
        "probabilities": pa.array(list(probabilities.astype(np.float32)), pa.list_(pa.float32())),
    }
    for rival in rivals:
        said = [None] * len(test.truth) if rival.predicted is None else rival.predicted
        columns[f"{rival.name}_predicted"] = pa.array(said, pa.int32())
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    return store.put_bytes(store.uri("scores", f"{digest}.parquet"), content)


def metrics_of(estimates: tuple[Estimate, ...]) -> dict[str, float]:
    """The values as MLflow metrics: quality.macro_f1 is test_macro_f1."""
    return {
        "test_" + NOT_IN_METRIC_NAME.sub("_", _short(estimate.name)): estimate.value
        for estimate in estimates
        if estimate.value is not None
    }


def _short(name: str) -> str:
    return name.removeprefix("quality.").replace(".", "_")
