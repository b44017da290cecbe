"""The MLflow run of a training, completed with what was measured of its weights.

MLflow shows what the records hold. A stage that has worked for hours must not fail because MLflow
is away at its end, so it is registration, which needs MLflow anyway and repeats in seconds, that
sees to it that nothing is missing there.
"""

from collections.abc import Sequence

from infra.tracking import Tracking
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.metric_names import mlflow_metric
from tasks.records.training import Weights
from tasks.verdicts import Estimate


def complete_run(
    line: str, data: DataReport, weights: Weights, scores: Scores, tracking: Tracking
) -> None:
    """Show the rows and the test metrics, and what training could not show at its end.

    Raises:
        TrackingError: MLflow does not answer.

    """
    run_id = weights.run_id
    tracking.log_dataset(
        run_id,
        name=line,
        sha256=data.clean.sha256,
        uri=data.clean.uri,
        context="training",
        rows=data.rows_by_split,
    )
    tracking.log_metrics(run_id, metrics_of(scores.estimates))
    if not tracking.is_finished(run_id):
        _complete_curves(weights, tracking)
        tracking.finish_run(run_id)


def _complete_curves(weights: Weights, tracking: Tracking) -> None:
    """Go on with the curves behind the last point that MLflow has, from the training's record."""
    run_id = weights.run_id
    trained, validated = (
        tracking.last_step(run_id, name) for name in ("train_loss", "validation_loss")
    )
    for point in weights.curve:
        if point.step > trained:
            rate, norm = point.learning_rate, point.grad_norm
            values = {"train_loss": point.loss, "learning_rate": rate, "grad_norm": norm}
            tracking.log_metrics(run_id, values, point.step)
    steps = weights.curve[-1].step if weights.curve else 0
    for epoch in weights.epochs:
        step = steps * epoch.number // len(weights.epochs)  # all epochs have as many
        if step > validated:
            metrics = {f"validation_{name}": v for name, v in epoch.validation_metrics.items()}
            tracking.log_metrics(run_id, metrics | {"validation_loss": epoch.validation_loss}, step)


def metrics_of(estimates: Sequence[Estimate]) -> dict[str, float]:
    """The values as MLflow metrics: quality.macro_f1 is test_macro_f1; those of slices are none."""
    named = ((mlflow_metric(estimate.name), estimate.value) for estimate in estimates)
    return {name: value for name, value in named if name is not None and value is not None}
