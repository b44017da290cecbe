"""The MLflow tracking server. With model_registry.py and write_once.py sole importer of MLflow."""

import getpass
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from infra.mlflow_names import (
    MAX_METRICS_PER_REQUEST,
    MAX_PARAM_CHARS,
    MAX_PARAMS_PER_REQUEST,
    MAX_RUN_TAG_CHARS,
    mlflow_name,
    shortened,
)
from infra.model_registry import KEY_TAG
from infra.settings import PROJECT, load_settings
from infra.write_once import WriteOnceRecords

# The flow that runs belong to.
SOURCE: Final = "flows/retrain.py"
# Longest dataset digest that MLflow's database holds.
_DATASET_DIGEST_CHARS: Final = 36

# MLflow's pages tell by it that an experiment holds models, and not prompts and traces.
_EXPERIMENT_TAGS: Final = {"mlflow.experimentKind": "custom_model_development"}

T = TypeVar("T")


class Measured(NamedTuple):
    """What a metric was measured of: MLflow's id of the model, name and SHA-256 of its rows."""

    model_id: str
    dataset: str
    sha256: str


class Tracking(WriteOnceRecords):
    """Runs on one MLflow server, and its registry; no global state of MLflow's is touched."""

    def experiment_id(self, line: str) -> str:
        """The experiment of a line, created at first use."""
        with self._explained():
            found = self._client.get_experiment_by_name(line)
            if found:
                return str(found.experiment_id)
            return str(self._client.create_experiment(line, tags=_EXPERIMENT_TAGS))

    def open_run(self, line: str, key: str, tags: Mapping[str, str]) -> str:
        """The run with this key, made at first use, so that a resumed stage goes on in it.

        Args:
            line: name of the experiment.
            key: what the run is for, for example the digest of a training's inputs.
            tags: further tags of a new run.

        """
        experiment = self.experiment_id(line)
        with self._explained():
            found = self._client.search_runs(
                [experiment], f"tags.`{KEY_TAG}` = '{key}'", max_results=1
            )
            if found:
                return str(found[0].info.run_id)
            short = {name: shortened(value, MAX_RUN_TAG_CHARS) for name, value in tags.items()}
            run = self._client.create_run(
                experiment,
                tags={**source_tags(), **short, KEY_TAG: key},
                run_name=f"{line} training",
            )
            return str(run.info.run_id)

    def name_run(self, run_id: str, name: str) -> None:
        """Give a run another name."""
        with self._explained():
            self._client.update_run(run_id, name=name)

    def log_metrics(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        step: int = 0,
        measured: Measured | None = None,
    ) -> None:
        """Add one point to each of these metrics, under the names that `mlflow_name` gives them.

        Args:
            run_id: the run.
            metrics: value by name.
            step: of the training.
            measured: the model and the rows that they were measured on, where there are both.

        """
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        model_id, dataset, sha256 = measured or (None, None, None)
        digest = sha256[:_DATASET_DIGEST_CHARS] if sha256 else None
        points = [
            Metric(
                mlflow_name(name), value, now_ms, step,
                model_id=model_id, dataset_name=dataset, dataset_digest=digest, run_id=run_id,
            )
            for name, value in metrics.items()
        ]  # fmt: skip
        with self._explained():
            for some in batched(points, MAX_METRICS_PER_REQUEST):
                self._client.log_batch(run_id, metrics=some)

    def log_params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Set parameters of a run; a parameter that is set already keeps its value."""
        from mlflow.entities import Param

        with self._explained():
            known = self._client.get_run(run_id).data.params
            new = [
                Param(name, shortened(str(value), MAX_PARAM_CHARS))
                for name, value in ((mlflow_name(key), value) for key, value in params.items())
                if name not in known
            ]
            for some in batched(new, MAX_PARAMS_PER_REQUEST):
                self._client.log_batch(run_id, params=some)

    def log_file(self, run_id: str, path: Path, folder: str | None = None) -> None:
        """Add a file to a run's artifacts."""
        with self._explained():
            self._client.log_artifact(run_id, str(path), folder)

    def file_of_version(self, line: str, version: int, name: str) -> bytes | None:
        """A file that `log_file` added to the run of a version; None where it has no such file."""
        with self._explained():
            run_id = self._client.get_model_version(line, str(version)).run_id
            held = {file.path for file in self._client.list_artifacts(run_id)} if run_id else set()
            if name not in held:
                return None
            with tempfile.TemporaryDirectory(prefix="of-version-") as folder:
                return self._download(f"runs:/{run_id}/{name}", Path(folder)).read_bytes()

    def is_finished(self, run_id: str) -> bool:
        """Whether a run has ended well."""
        with self._explained():
            return str(self._client.get_run(run_id).info.status) == "FINISHED"

    def last_step(self, run_id: str, metric: str) -> int:
        """The step of a metric's newest point; -1 where it has none."""
        with self._explained():
            history = self._client.get_metric_history(run_id, mlflow_name(metric))
            return max((int(point.step) for point in history), default=-1)

    def finish_run(self, run_id: str, status: str = "FINISHED") -> None:
        """End a run as FINISHED or FAILED."""
        with self._explained():
            self._client.set_terminated(run_id, status)

    def log_dataset(
        self, run_id: str, name: str, sha256: str, uri: str, context: str, rows: Mapping[str, int]
    ) -> None:
        """Name the data that a run used as its input.

        Args:
            run_id: the run.
            name: of the data set, as MLflow shows it.
            sha256: digest of the data.
            uri: where it lies.
            context: what it was used for, for example ``training``.
            rows: how many, by split.

        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=name,
            digest=sha256[:_DATASET_DIGEST_CHARS],
            source_type="s3",
            source=json.dumps({"uri": uri, "sha256": sha256}),
            profile=json.dumps({"rows": dict(rows)}),
        )
        used_for = InputTag("mlflow.data.context", context)
        with self._explained():
            self._client.log_inputs(run_id, [DatasetInput(dataset, [used_for])])

    def run_url(self, run_id: str) -> str:
        """The page of a run."""
        with self._explained():
            experiment = self._client.get_run(run_id).info.experiment_id
        return f"{self.url}/#/experiments/{experiment}/runs/{run_id}"


def source_tags() -> dict[str, str]:
    """Who made a run, and of which state of which code, as MLflow's own client tells it."""
    from mlflow.utils.git_utils import get_git_commit

    tags = {"mlflow.source.name": SOURCE, "mlflow.source.type": "LOCAL"}
    if commit := get_git_commit(str(PROJECT)):
        tags["mlflow.source.git.commit"] = commit
    with suppress(OSError, KeyError):  # a container may run as a user of no name
        tags["mlflow.user"] = getpass.getuser()
    return tags


def batched(points: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The sequence in parts of at most this many, since one request takes no more."""
    return (points[start : start + size] for start in range(0, len(points), size))


def open_tracking() -> Tracking:
    """The MLflow server of this process's settings."""
    return Tracking(load_settings())


def open_tracking_to_read() -> Tracking:
    """The same by the login of who only reads, where MLflow has such a user."""
    return Tracking(load_settings().as_mlflow_reader())
