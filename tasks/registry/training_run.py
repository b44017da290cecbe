"""The MLflow run of a training, completed with what was measured of its weights.

MLflow shows what the records hold. A stage that has worked for hours must not fail because MLflow
is away at its end, so it is registration, which needs MLflow anyway and repeats in seconds, that
sees to it that nothing is missing there.
"""

from collections.abc import Sequence

from infra.tracking import Measured, Tracking
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.golden import GoldenScores
from tasks.records.metric_names import mlflow_metric
from tasks.records.training import Weights
from tasks.verdicts import Estimate


def complete_run(
    line: str,
    version: int,
    data: DataReport,
    weights: Weights,
    scores: Scores,
    tracking: Tracking,
    golden: GoldenScores | None = None,
) -> None:
    """Show the rows and the metrics of a version, and what training could not show at its end.

    Metrics are logged with the model and the rows that they were measured on, so that MLflow shows
    them on the model's page and compares models by them. The curves of the training are older than
    the model and stand on the run alone.

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
    test_rows = f"{line} test"
    tracking.log_dataset(
        run_id,
        name=test_rows,
        sha256=data.clean.sha256,
        uri=data.clean.uri,
        context="evaluation",
        rows={"test": scores.rows},
    )
    tracking.name_run(run_id, f"{line} v{version}")
    model_id = tracking.model_id(line, version)
    measured = Measured(model_id, test_rows, data.clean.sha256) if model_id else None
    tracking.log_metrics(run_id, metrics_of(scores.measured), measured=measured)
    _show_golden(line, run_id, model_id, golden, tracking)
    if not tracking.is_finished(run_id):
        _complete_curves(weights, tracking)
        tracking.finish_run(run_id)
    if model_id:
        validated = Measured(model_id, line, data.clean.sha256)
        _show_kept_epoch(weights, validated, tracking)


def _show_golden(
    line: str, run_id: str, model_id: str | None, golden: GoldenScores | None, tracking: Tracking
) -> None:
    """Each golden set as a data set of its own, with what was measured on it."""
    for one in golden.sets if golden else ():
        name, rows = f"{line} {one.kind} {one.name}", one.artifact
        tracking.log_dataset(
            run_id, name=name, sha256=rows.sha256, uri=rows.uri, context=one.kind,
            rows={"test": one.rows},
        )  # fmt: skip
        measured = Measured(model_id, name, rows.sha256) if model_id else None
        tracking.log_metrics(run_id, metrics_of(one.estimates), measured=measured)


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


def _show_kept_epoch(weights: Weights, measured: Measured, tracking: Tracking) -> None:
    """The losses and metrics of the epoch whose weights the model has, as of the model."""
    steps = weights.curve[-1].step if weights.curve else 0
    for epoch in weights.epochs:
        if epoch.number == weights.best_epoch:
            metrics = {f"validation_{name}": v for name, v in epoch.validation_metrics.items()}
            metrics |= {"validation_loss": epoch.validation_loss}
            step = steps * epoch.number // len(weights.epochs)
            tracking.log_metrics(weights.run_id, metrics, step, measured)


def metrics_of(estimates: Sequence[Estimate]) -> dict[str, float]:
    """The values as MLflow metrics: quality.macro_f1 is test_macro_f1; those of slices are none."""
    named = ((mlflow_metric(estimate.name), estimate.value) for estimate in estimates)
    return {name: value for name, value in named if name is not None and value is not None}
