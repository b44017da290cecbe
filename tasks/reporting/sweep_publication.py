"""A sweep where people look: its page and taken point in the store, its trials in MLflow."""

import tempfile
from pathlib import Path
from typing import Final

from infra.digests import digest_of
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.sweep import SweepOutcome, SweepResult, Trial
from tasks.reporting.sweep_page import render_sweep_page, settings_as_yaml

PAGE_FILE: Final = "sweep.html"
SETTINGS_FILE: Final = "taken.yaml"
# By which MLflow shows a run inside of another, and what it says made them.
_PARENT_TAG: Final = "mlflow.parentRunId"
_TAGS: Final = {"mlflow.source.name": "flows/sweep.py"}


def publish_sweep(result: SweepResult, *, store: ObjectStore, tracking: Tracking) -> SweepOutcome:
    """Keep the page and the taken point, and show the sweep in MLflow with a run for each trial.

    Args:
        result: of a sweep of which a point is taken.
        store: keeps a page and the taken point for each state of the sweep.
        tracking: keeps one run a sweep, and below it one a trial.

    Raises:
        StoreError, TrackingError: a server is unreachable.

    """
    taken = next(one for one in result.trials if one.number == result.taken)
    settings = settings_as_yaml(taken.settings)
    page = render_sweep_page(result, settings)
    folder = ("sweeps", result.line, digest_of([result.study, page])[:16])
    kept_page = store.put_bytes(store.uri(*folder, PAGE_FILE), page.encode())
    kept_settings = store.put_bytes(store.uri(*folder, SETTINGS_FILE), settings.encode())
    parent = tracking.open_run(result.line, f"sweep {result.study}", _TAGS)
    tracking.name_run(parent, f"{result.line} sweep")
    for trial in result.trials:
        _show_trial(result, trial, parent, tracking)
    with tempfile.TemporaryDirectory(prefix="sweep-") as work:
        for name, text in {PAGE_FILE: page, SETTINGS_FILE: settings}.items():
            path = Path(work) / name
            path.write_text(text, encoding="utf-8")
            tracking.log_file(parent, path)
    tracking.log_params(parent, {"study": result.study, "metric": result.metric})
    tracking.log_metrics(parent, _numbers(result, taken), step=len(result.trials))
    tracking.finish_run(parent)
    return SweepOutcome(
        result, settings, kept_settings.uri, kept_page.uri,
        f"{tracking.run_url(parent)}/artifacts/{PAGE_FILE}",
    )  # fmt: skip


def _show_trial(result: SweepResult, trial: Trial, parent: str, tracking: Tracking) -> None:
    """A run below that of the sweep; one that an earlier run of the sweep has shown stays."""
    key = f"sweep {result.study} {trial.number}"
    run_id = tracking.open_run(result.line, key, {**_TAGS, _PARENT_TAG: parent})
    if tracking.is_finished(run_id):
        return
    tracking.name_run(run_id, f"{result.line} sweep, trial {trial.number}")
    tracking.log_params(
        run_id,
        {
            **trial.settings,
            "trainings": " ".join(trial.run_ids),
            **({"reason": trial.reason} if trial.reason else {}),
        },
    )
    tracking.log_metrics(run_id, _numbers(result, trial))
    tracking.finish_run(run_id)


def _numbers(result: SweepResult, trial: Trial) -> dict[str, float]:
    """What a trial came to, by MLflow's metric."""
    if trial.quality is None:
        return {}
    name = f"validation.{result.metric}"
    found = {
        name: trial.quality.value,
        f"{name}.low": trial.quality.low,
        f"{name}.high": trial.quality.high,
        "size_mb": trial.size_bytes / 1e6,
        "training_s": trial.training_s,
        "cost": result.cost_of(trial),
        "latency_ms": trial.latency_ms,
    }
    if trial.latency:
        found["latency"] = trial.latency.value
    if trial.worst_group:
        found["validation.worst_group"] = trial.worst_group[0]
    return found
