"""Values that are set once and never changed: parameters of one MLflow run, found by its name.

The object store may know no conditional writes, and MLflow's database does: a parameter of a run is
a row whose key is unique, so that of any number of processes that set it at the same moment one
succeeds, and all learn which (`mlflow.store.tracking.sqlalchemy_store.log_param`). A record of such
values is an MLflow experiment with one run in it.

The name of an experiment is unique as well. So a record is made under a name of its own and then
given the one that is asked for: of two that are made at the same moment, one stays.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from infra.errors import TrackingError
from infra.model_registry import Registry
from infra.settings import Settings

RUN_TAG: Final = "assayline.write_once_run"
# What a person sees who finds the record in MLflow.
_NOTE: Final = (
    "Kept by Assayline: values that are written once, by which processes agree on what counts. "
    "Do not delete this run or its experiment."
)


@dataclass(frozen=True)
class OnceRecord:
    """What a record holds.

    Attributes:
        values: set for good, by name.
        marks: that may be set and removed again, by name.

    """

    values: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)


class WriteOnceRecords(Registry):
    """Records of values that are set once, on one MLflow server."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # A record never changes its run; one that was deleted says so itself.
        self._runs: dict[str, str] = {}

    def read_record(self, name: str) -> OnceRecord:
        """What a record holds; nothing where it was never made.

        Raises:
            TrackingError: also where somebody deleted it in MLflow.

        """
        run_id = self._run_of(name)
        if run_id is None:
            return OnceRecord()
        with self._explained():
            run = self._client.get_run(run_id)
        if run.info.lifecycle_stage != "active":
            raise TrackingError(self._deleted(name, f"its run {run_id}"))
        marks = {key: str(value) for key, value in run.data.tags.items() if _is_mark(key)}
        return OnceRecord(dict(run.data.params), marks)

    def write_once(self, name: str, key: str, value: str) -> str:
        """Set a value, unless it is set.

        Returns:
            The value that stands: this one, or the one that was set before.

        Raises:
            TrackingError: the server failed, and does not tell whether the value was set.

        """
        from mlflow.exceptions import MlflowException

        run_id = self._run_of(name) or self._make(name)
        with self._explained():
            try:
                self._client.log_param(run_id, key, value)
            except MlflowException:
                # It is set, or the server failed before or after it had set it: so look.
                standing = self._client.get_run(run_id).data.params.get(key)
                if standing is None:
                    raise
                return str(standing)
        return value

    def mark(self, name: str, key: str, value: str) -> None:
        """Set a mark of a record; see `OnceRecord`."""
        run_id = self._run_of(name) or self._make(name)
        with self._explained():
            self._client.set_tag(run_id, key, value)

    def unmark(self, name: str, key: str) -> None:
        """Remove a mark; one that is gone already is no error."""
        from mlflow.exceptions import MlflowException

        run_id = self._run_of(name)
        if run_id is None:
            return
        with self._explained():
            try:
                self._client.delete_tag(run_id, key)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise

    def _run_of(self, name: str) -> str | None:
        if name not in self._runs:
            with self._explained():
                found = self._client.get_experiment_by_name(name)
            if found is None:
                return None
            if found.lifecycle_stage != "active":
                raise TrackingError(self._deleted(name, "it"))
            self._runs[name] = _run_named_by(found, name, self.url)
        return self._runs[name]

    def _make(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        with self._explained():
            own = self._client.create_experiment(f"{name}.{secrets.token_hex(4)}")
            tags = {"mlflow.note.content": _NOTE}
            run = self._client.create_run(own, run_name=name, tags=tags)
            self._client.set_experiment_tag(own, RUN_TAG, run.info.run_id)
            try:
                self._client.rename_experiment(own, name)
            except MlflowException:
                # Another was as fast, or the server failed before or after it had renamed it.
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
                if found.experiment_id != own:
                    self._client.delete_experiment(own)
                return _run_named_by(found, name, self.url)
        return str(run.info.run_id)

    def _deleted(self, name: str, what: str) -> str:
        return (
            f"the MLflow experiment {name} at {self.url}, by which processes agree on what counts, "
            f"cannot be used: {what} was deleted. Restore it there (`mlflow experiments restore`, "
            "`mlflow runs restore`)"
        )


def _is_mark(key: str) -> bool:
    return not key.startswith("mlflow.")


def _run_named_by(experiment: Any, name: str, url: str) -> str:
    run_id = experiment.tags.get(RUN_TAG)
    if not run_id:
        raise TrackingError(
            f"the MLflow experiment {name} at {url} was not made by Assayline, which keeps a "
            "record under this name; rename it"
        )
    return str(run_id)
