"""The MLflow tracking server and registry. Sole importer of MLflow."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.errors import TrackingError
from infra.settings import Settings, load_settings

# The client's own defaults wait minutes for a server that is gone.
_CLIENT_LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}


class Tracking:
    """Runs, versions and aliases on one MLflow server; no global state of MLflow's is touched."""

    def __init__(self, settings: Settings) -> None:
        if not settings.mlflow_url:
            raise TrackingError(
                "no MLflow server; start one (assayline up) or set MLFLOW_TRACKING_URI"
            )
        self.url = settings.mlflow_url.rstrip("/")

    @cached_property
    def _client(self) -> Any:
        for name, value in _CLIENT_LIMITS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.url, registry_uri=self.url)

    def experiment_id(self, line: str) -> str:
        """The experiment of a line, created at first use."""
        with self._explained():
            found = self._client.get_experiment_by_name(line)
            return str(found.experiment_id if found else self._client.create_experiment(line))

    def open_run(self, line: str, key: str, tags: Mapping[str, str]) -> str:
        """The id of the run with this key, created at first use, so that a resumed stage goes on in it.

        Args:
            line: name of the experiment.
            key: what the run is for, for example the digest of a training's inputs.
            tags: further tags of a new run.

        """
        experiment = self.experiment_id(line)
        with self._explained():
            found = self._client.search_runs(
                [experiment], f"tags.`assayline.key` = '{key}'", max_results=1
            )
            if found:
                return str(found[0].info.run_id)
            run = self._client.create_run(experiment, tags={**tags, "assayline.key": key})
            return str(run.info.run_id)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Add one point to each of these metrics."""
        with self._explained():
            for name, value in metrics.items():
                self._client.log_metric(run_id, name, value, step=step)

    def log_params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Set parameters of a run; a parameter that is set already keeps its value."""
        with self._explained():
            known = self._client.get_run(run_id).data.params
            for name, value in params.items():
                if name not in known:
                    self._client.log_param(run_id, name, value)

    def log_file(self, run_id: str, path: Path, folder: str | None = None) -> None:
        """Add a file to a run's artifacts."""
        with self._explained():
            self._client.log_artifact(run_id, str(path), folder)

    def finish_run(self, run_id: str, status: str = "FINISHED") -> None:
        """End a run as FINISHED or FAILED."""
        with self._explained():
            self._client.set_terminated(run_id, status)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn every way in which MLflow can fail into one message."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            if "Max retries exceeded" in str(error) or "failed with exception" in str(error):
                raise TrackingError(
                    f"the MLflow server at {self.url} does not answer; start it (assayline up) or "
                    "set MLFLOW_TRACKING_URI to the one that runs"
                ) from error
            raise TrackingError(f"the MLflow server at {self.url} refused: {error}") from error


def open_tracking() -> Tracking:
    """The MLflow server of this process's settings."""
    return Tracking(load_settings())
