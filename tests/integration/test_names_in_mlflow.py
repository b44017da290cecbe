"""Labels and values that MLflow would refuse, on a real server."""

import secrets

from infra.mlflow_names import MAX_PARAM_CHARS, mlflow_name
from infra.tracking import Tracking
from tasks.registry.training_run import metrics_of
from tasks.verdicts import exact

LABELS = [
    "https://example.org/a//b", "..", ".", "/", "a/../b", "R&D", "R_D", "中文 类别", "e\u0301", "é",
    "x" * 10_000, "line\nbreak", "😀", "mlflow.user", " ", "100%", "<b>",
]  # fmt: skip


def test_every_label_is_a_metric_of_its_own(tracking: Tracking) -> None:
    run = tracking.open_run(
        "names-in-mlflow", secrets.token_hex(8), {"assayline.note": "y" * 9_000}
    )
    estimates = [
        exact(f"quality.recall.{label}", n / 100, 1) for n, label in enumerate(LABELS, start=1)
    ]
    tracking.log_metrics(run, metrics_of(estimates))
    kept = tracking._client.get_run(run).data.metrics
    assert kept == metrics_of(estimates)
    assert sorted(kept.values()) == [n / 100 for n in range(1, len(LABELS) + 1)]


def test_any_number_of_metrics_and_parameters_is_taken(tracking: Tracking) -> None:
    run = tracking.open_run("names-in-mlflow", secrets.token_hex(8), {})
    tracking.log_metrics(run, {f"recall {n}": n / 2000 for n in range(2_001)})
    params = {f"p{n}": n for n in range(201)} | {"a//b": "z" * 10_000}
    tracking.log_params(run, params)
    tracking.log_params(run, params)  # a resumed training gives them again
    data = tracking._client.get_run(run).data
    assert len(data.metrics) == 2_001
    assert len(data.params) == 202
    assert len(data.params[mlflow_name("a//b")]) == MAX_PARAM_CHARS


def test_a_curve_goes_on_under_the_name_that_it_has(tracking: Tracking) -> None:
    run = tracking.open_run("names-in-mlflow", secrets.token_hex(8), {})
    tracking.log_metrics(run, {"recall//a": 0.5}, step=7)
    assert tracking.last_step(run, "recall//a") == 7
