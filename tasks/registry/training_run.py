"""The MLflow run of a training, completed with what was measured of its weights.

MLflow shows what the records hold. A stage that has worked for hours must not fail because MLflow
is away at its end, so it is registration, which needs MLflow anyway and repeats in seconds, that
sees to it that nothing is missing there.
"""

import re
from collections.abc import Sequence
from typing import Final

from infra.tracking import Tracking
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.verdicts import Estimate

# MLflow refuses other characters in a metric's name.
NOT_IN_METRIC_NAME: Final = re.compile(r"[^/\w.\- :]")
# The report shows them; there may be hundreds.
SLICES: Final = "slice."


def complete_run(
    run_id: str, line: str, data: DataReport, scores: Scores, tracking: Tracking
) -> None:
    """Show the rows, the test metrics and that the training is done.

    Raises:
        TrackingError: MLflow does not answer.

    """
    tracking.log_dataset(
        run_id,
        name=line,
        sha256=data.clean.sha256,
        uri=data.clean.uri,
        context="training",
        rows=data.rows_by_split,
    )
    tracking.log_metrics(run_id, metrics_of(scores.estimates))
    tracking.finish_run(run_id)


def metrics_of(estimates: Sequence[Estimate]) -> dict[str, float]:
    """The values as MLflow metrics: quality.macro_f1 is test_macro_f1; those of slices are none."""
    return {
        "test_" + NOT_IN_METRIC_NAME.sub("_", _short(estimate.name)): estimate.value
        for estimate in estimates
        if estimate.value is not None and not estimate.name.startswith(SLICES)
    }


def _short(name: str) -> str:
    return name.removeprefix("quality.").replace(".", "_")
