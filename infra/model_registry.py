"""MLflow's model registry. Together with tracking.py sole importer of MLflow."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from infra.errors import TrackingError
from infra.script_format import MODEL_FOLDER
from infra.settings import Settings

# The client's own defaults wait minutes for a server that is gone, print every run's address and
# draw progress bars into the logs.
_CLIENT_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
KEY_TAG: Final = "assayline.key"
# As its client says it, once it has asked again; a database that cannot write is a 503.
_SERVER_ERRORS: Final = re.compile(r"too many 5\d\d error responses")


class Registry:
    """The registered models of one MLflow server; no global state of MLflow's is touched."""

    def __init__(self, settings: Settings) -> None:
        if not settings.mlflow_url:
            raise TrackingError(
                "no MLflow server; start one (assayline up) or set MLFLOW_TRACKING_URI"
            )
        self.url = settings.mlflow_url.rstrip("/")
        self._login = settings.mlflow_login

    @cached_property
    def _client(self) -> Any:
        for name, value in _CLIENT_DEFAULTS.items():
            os.environ.setdefault(name, value)
        os.environ.update(self._login)  # the one place where its client looks for a login
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.url, registry_uri=self.url)

    def lines(self) -> list[str]:
        """Names of all registered models, sorted."""
        names: list[str] = []
        token = None
        with self._explained():
            while True:
                page = self._client.search_registered_models(page_token=token)
                names += [str(model.name) for model in page]
                token = page.token
                if not token:
                    return sorted(names)

    def aliases(self, line: str) -> dict[str, int]:
        """Version of each alias of a line; empty where the line has no registered model."""
        from mlflow.exceptions import MlflowException

        with self._explained():
            try:
                model = self._client.get_registered_model(line)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise
            return {str(name): int(version) for name, version in model.aliases.items()}

    def set_alias(self, line: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        with self._explained():
            self._client.set_registered_model_alias(line, alias, str(version))

    def find_version(self, line: str, key: str) -> int | None:
        """The version that was registered under this key, the first if there are several."""
        with self._explained():
            found = self._client.search_model_versions(
                f"name = '{line}' and tags.`{KEY_TAG}` = '{key}'"
            )
            return min((int(version.version) for version in found), default=None)

    def register_model(
        self, line: str, key: str, run_id: str, folder: Path, tags: Mapping[str, str]
    ) -> int:
        """Upload a saved MLflow model and make it a version of a line.

        The upload is found again by its key, and the version gets its tags in the same request
        that makes it, so that a crash leaves either no version or a whole one.

        Args:
            line: name of the registered model.
            key: digest of what the version was made of.
            run_id: the training's run, which the version belongs to.
            folder: as `infra.model_format` writes it.
            tags: of the version.

        """
        from mlflow.exceptions import MlflowException

        with self._explained():
            model_id = self._upload_model(key, run_id, folder)
            try:
                self._client.create_registered_model(line)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            version = self._client.create_model_version(
                name=line,
                source=f"models:/{model_id}",
                run_id=run_id,
                tags={**tags, KEY_TAG: key},
                model_id=model_id,
            )
            return int(version.version)

    def _upload_model(self, key: str, run_id: str, folder: Path) -> str:
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        experiment = self._client.get_run(run_id).info.experiment_id
        for known in self._client.search_logged_models(
            [experiment], filter_string=f"tags.`{KEY_TAG}` = '{key}'"
        ):
            if known.status == "READY":
                return str(known.model_id)
        logged = self._client.create_logged_model(
            experiment, name="model", source_run_id=run_id, tags={KEY_TAG: key}
        )
        description = Model.load(str(folder))
        description.run_id, description.model_id = run_id, logged.model_id
        description.model_uuid = logged.model_id
        description.artifact_path = logged.artifact_location
        description.save(str(folder / "MLmodel"))
        self._client.log_model_artifacts(logged.model_id, str(folder))
        self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
        self._client.finalize_logged_model(logged.model_id, "READY")
        return str(logged.model_id)

    def versions(self, line: str) -> list[int]:
        """Numbers of all versions of a line, ascending; empty where it has no registered model."""
        with self._explained():
            found = self._client.search_model_versions(f"name = '{line}'", max_results=10_000)
            return sorted(int(version.version) for version in found)

    def version_tags(self, line: str, version: int) -> dict[str, str]:
        """Tags of a version.

        Raises:
            TrackingError: also where there is no such version.

        """
        with self._explained():
            found = self._client.get_model_version(line, str(version))
            return {str(name): str(value) for name, value in found.tags.items()}

    def set_tags(self, line: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        with self._explained():
            for name, value in tags.items():
                self._client.set_model_version_tag(line, str(version), name, value)

    def set_description(self, line: str, version: int, text: str) -> None:
        """Set a version's description (Markdown)."""
        with self._explained():
            self._client.update_model_version(line, str(version), text)

    def download_version(self, line: str, version: int, folder: Path) -> Path:
        """A version's model with its tokenizer beside it, as transformers loads them.

        Returns:
            A folder below ``folder``.

        Raises:
            TrackingError: also where there is no such version, or it is no transformers model.

        """
        from mlflow.artifacts import download_artifacts

        folder.mkdir(parents=True, exist_ok=True)
        with self._explained():
            # Of a models:/ address MLflow would look up the version in its global registry.
            address = self._client.get_model_version_download_uri(line, str(version))
            root = download_artifacts(address, dst_path=str(folder), tracking_uri=self.url)
        model, tokenizer = Path(root) / "model", Path(root) / "components" / "tokenizer"
        if not model.is_dir():
            # What a script serves has the checkpoint whole: see `infra.script_format`.
            model = Path(root) / MODEL_FOLDER
        if not (model / "config.json").is_file():
            raise TrackingError(
                f"version {version} of {line} at {self.url} holds no transformers model; "
                "register models of this line with assayline alone"
            )
        if tokenizer.is_dir():
            shutil.copytree(tokenizer, model, dirs_exist_ok=True)
        return model

    def model_uri(self, line: str, version: int | str) -> str:
        """What a consumer loads: ``models:/line/3``, or ``models:/line@alias``."""
        return f"models:/{line}{'/' if isinstance(version, int) else '@'}{version}"

    def version_url(self, line: str, version: int) -> str:
        """The page of a version."""
        return f"{self.url}/#/models/{line}/versions/{version}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn every way in which MLflow can fail into one message."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            if _SERVER_ERRORS.search(str(error)):
                raise TrackingError(
                    f"the MLflow server at {self.url} answers with an error of its own, again and "
                    "again; its log says why (of the embedded one logs/mlflow.log in the home "
                    "folder), often a full disk"
                ) from error
            if "Max retries exceeded" in str(error) or "failed with exception" in str(error):
                raise TrackingError(
                    f"the MLflow server at {self.url} does not answer; start it (assayline up) or "
                    "set MLFLOW_TRACKING_URI to the one that runs"
                ) from error
            raise TrackingError(f"the MLflow server at {self.url} refused: {error}") from error
        except OSError as error:
            # A failed transfer of an artifact comes as the HTTP library's own error.
            if not type(error).__module__.startswith("requests"):
                raise
            raise TrackingError(f"the MLflow server at {self.url} failed: {error}") from error
