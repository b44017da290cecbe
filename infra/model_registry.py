"""MLflow's model registry. With tracking.py and write_once.py sole importer of MLflow."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from infra import artifact_manifest
from infra.errors import IntegrityError, TrackingAwayError, TrackingError
from infra.mlflow_names import MAX_DESCRIPTION_CHARS, MAX_VERSION_TAG_CHARS, shortened
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
MANIFEST_TAG: Final = "assayline.manifest_sha256"
# Of a version's tags those that its registered model has too.
MODEL_TAGS: Final = ("assayline.task_type", "assayline.base_model")
# Of MLflow's two kinds of pages those for models that are trained.
MODEL_TRAINING: Final = "workflowType=machine_learning"
_LOGGED_MODEL: Final = re.compile(r"models:/(m-[0-9a-f]+)")
# As its client says it, once it has asked again; a database that cannot write is a 503.
_SERVER_ERRORS: Final = re.compile(r"too many (5\d\d) error responses")


@dataclass(frozen=True)
class KnownVersion:
    """What MLflow itself keeps of a version; of who moved an alias, and when, it keeps nothing.

    Attributes:
        made_by: user that registered it; empty where MLflow asks for no login.
        made_at: when it was registered, ISO 8601, UTC.
        changed_at: when MLflow last noted a change of it, ISO 8601, UTC.

    """

    tags: Mapping[str, str]
    made_by: str
    made_at: str
    changed_at: str


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
            _met(self._client.set_registered_model_alias, line, alias, str(version))

    def delete_alias(self, line: str, alias: str) -> None:
        """Remove an alias; one that is gone already is no error."""
        with self._explained():
            self._client.delete_registered_model_alias(line, alias)

    def find_version(self, line: str, key: str) -> int | None:
        """The version that was registered under this key, the first if there are several."""
        with self._explained():
            found = self._client.search_model_versions(
                f"name = '{line}' and tags.`{KEY_TAG}` = '{key}'"
            )
            return min((int(version.version) for version in found), default=None)

    def register_model(
        self,
        line: str,
        key: str,
        run_id: str,
        folder: Path,
        tags: Mapping[str, str],
        keep: Callable[[bytes], str],
    ) -> int:
        """Upload a saved MLflow model and make it a version of a line.

        The upload is found again by its key, and the version gets its tags in the same request
        that makes it, so that a crash leaves either no version or a whole one. One of the tags is
        the digest of the manifest of what was uploaded; it is read back and compared before there
        is a version.

        Args:
            line: name of the registered model.
            key: digest of what the version was made of.
            run_id: the training's run, which the version belongs to.
            folder: as `infra.model_format` writes it.
            tags: of the version.
            keep: stores a manifest, and returns its SHA-256.

        Raises:
            IntegrityError: what is read back is not what was uploaded.

        """
        from mlflow.exceptions import MlflowException

        with self._explained():
            model_id, manifest_sha256 = self._upload_model(line, key, run_id, folder, keep)
            try:
                self._client.create_registered_model(line)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            self._describe_model(line, run_id, tags)
            version = self._client.create_model_version(
                name=line,
                source=f"models:/{model_id}",
                run_id=run_id,
                tags=_short(tags) | {KEY_TAG: key, MANIFEST_TAG: manifest_sha256},
                model_id=model_id,
            )
        # A server that fails after it has made the version is asked again by the client, and makes
        # another one; so do two runs at the same moment. The first is the one that is found later.
        return self.find_version(line, key) or int(version.version)

    def _describe_model(self, line: str, run_id: str, tags: Mapping[str, str]) -> None:
        """Say what a registered model is, where nobody has said it; a person's words stay."""
        model = self._client.get_registered_model(line)
        if not model.description:
            experiment = self._client.get_run(run_id).info.experiment_id
            self._client.update_registered_model(line, self._model_text(line, experiment))
        for name in MODEL_TAGS:
            if name in tags and model.tags.get(name) != tags[name]:
                self._client.set_registered_model_tag(line, name, tags[name])

    def _model_text(self, line: str, experiment: str) -> str:
        return (
            f"The model line **{line}**: retrained, proven and promoted by Assayline.\n\n"
            f"- `{self.model_uri(line, 'production')}` is the version that passed every gate, or "
            "that a person put there; load it with `mlflow.pyfunc.load_model`.\n"
            f"- Who put which version there, and why: `assayline ledger {line}`.\n"
            f"- [All candidates with their metrics]({self.models_url(experiment)})"
        )

    def models_url(self, experiment: str) -> str:
        """The page of an experiment's models; MLflow opens on prompts and traces unless told."""
        return f"{self.url}/#/experiments/{experiment}/models?{MODEL_TRAINING}"

    def model_id(self, line: str, version: int) -> str | None:
        """MLflow's id of the logged model behind a version; None where others registered it."""
        with self._explained():
            # The server does not answer the id under its own name.
            source = str(self._client.get_model_version(line, str(version)).source)
        found = _LOGGED_MODEL.fullmatch(source)
        return found[1] if found else None

    def _upload_model(
        self, line: str, key: str, run_id: str, folder: Path, keep: Callable[[bytes], str]
    ) -> tuple[str, str]:
        """Id of the uploaded model, and the digest of its manifest."""
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        experiment = self._client.get_run(run_id).info.experiment_id
        for known in self._client.search_logged_models(
            [experiment], filter_string=f"tags.`{KEY_TAG}` = '{key}'"
        ):
            if known.status == "READY" and MANIFEST_TAG in known.tags:
                return str(known.model_id), str(known.tags[MANIFEST_TAG])
        logged = self._client.create_logged_model(
            experiment, name=line, source_run_id=run_id, tags={KEY_TAG: key}
        )
        description = Model.load(str(folder))
        description.run_id, description.model_id = run_id, logged.model_id
        description.model_uuid = logged.model_id
        description.artifact_path = logged.artifact_location
        description.save(str(folder / "MLmodel"))
        files = artifact_manifest.list_files(folder)
        manifest_sha256 = keep(artifact_manifest.to_bytes(files))
        self._client.log_model_artifacts(logged.model_id, str(folder))
        self._check_upload(logged.artifact_location, files)
        self._client.set_logged_model_tags(logged.model_id, {MANIFEST_TAG: manifest_sha256})
        self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
        self._client.finalize_logged_model(logged.model_id, "READY")
        return str(logged.model_id), manifest_sha256

    def _check_upload(self, location: str, files: Sequence[artifact_manifest.ListedFile]) -> None:
        with tempfile.TemporaryDirectory(prefix="assayline-upload-") as name:
            found = artifact_manifest.list_files(self._download(location, Path(name)))
        wrong = artifact_manifest.differences(files, found)
        if wrong:
            raise IntegrityError(
                f"the MLflow server at {self.url} holds another model than was uploaded to "
                f"{location}: {'; '.join(wrong)}. No version was made of it; see to the store "
                "behind MLflow, and run again"
            )

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

    def known_version(self, line: str, version: int) -> KnownVersion | None:
        """What MLflow itself keeps of a version; None where it has no such version."""
        from mlflow.exceptions import MlflowException

        with self._explained():
            try:
                found = self._client.get_model_version(line, str(version))
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise
            return _known(found)

    def known_versions(self, line: str) -> dict[int, KnownVersion]:
        """All versions of a line, by number; empty where it has no registered model."""
        with self._explained():
            found = self._client.search_model_versions(f"name = '{line}'", max_results=10_000)
            return {int(version.version): _known(version) for version in found}

    def lines_with_tag(self, tag: str, value: str) -> list[str]:
        """Names of the registered models that have a version with this tag, sorted."""
        with self._explained():
            found = self._client.search_model_versions(f"tags.`{tag}` = '{value}'")
            return sorted({str(version.name) for version in found})

    def set_tags(self, line: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        with self._explained():
            for name, value in _short(tags).items():
                _met(self._client.set_model_version_tag, line, str(version), name, value)

    def delete_tags(self, line: str, version: int, names: Sequence[str]) -> None:
        """Remove tags of a version; one that is gone already is no error."""
        from mlflow.exceptions import MlflowException

        with self._explained():
            for name in names:
                try:
                    self._client.delete_model_version_tag(line, str(version), name)
                except MlflowException as error:
                    if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                        raise

    def set_description(self, line: str, version: int, text: str) -> None:
        """Set a version's description (Markdown)."""
        with self._explained():
            short = shortened(text, MAX_DESCRIPTION_CHARS)
            self._client.update_model_version(line, str(version), short)

    def download_artifact(self, line: str, version: int, folder: Path) -> Path:
        """A version's files as they lie in the registry's artifact store.

        Returns:
            A folder below ``folder``.

        Raises:
            TrackingError: also where there is no such version, or its files are gone.

        """
        with self._explained():
            # Of a models:/ address MLflow would look up the version in its global registry.
            address = self._client.get_model_version_download_uri(line, str(version))
            return self._download(address, folder)

    def _download(self, address: str, folder: Path) -> Path:
        from mlflow.artifacts import download_artifacts

        folder.mkdir(parents=True, exist_ok=True)
        return Path(download_artifacts(address, dst_path=str(folder), tracking_uri=self.url))

    def model_of(self, artifact: Path, line: str, version: int) -> Path:
        """The model of a downloaded version with its tokenizer beside it, as transformers loads it.

        Returns:
            A folder below ``artifact``.

        Raises:
            TrackingError: it is no transformers model.

        """
        model, tokenizer = artifact / "model", artifact / "components" / "tokenizer"
        if not model.is_dir():
            # What a script serves has the checkpoint whole: see `infra.script_format`.
            model = artifact / MODEL_FOLDER
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
            if failed := _SERVER_ERRORS.search(str(error)):
                raise TrackingError(
                    f"the MLflow server at {self.url} fails: it answers {failed[1]} each time; its "
                    "log says why (of the embedded one logs/mlflow.log in the home folder), often "
                    "a full disk. It may have done what it was asked"
                ) from error
            if "Max retries exceeded" in str(error) or "failed with exception" in str(error):
                raise TrackingAwayError(
                    f"the MLflow server at {self.url} does not answer; start it (assayline up) or "
                    "set MLFLOW_TRACKING_URI to the one that runs"
                ) from error
            raise TrackingError(f"the MLflow server at {self.url} refused: {error}") from error
        except OSError as error:
            # A failed transfer of an artifact comes as the HTTP library's own error.
            if not type(error).__module__.startswith("requests"):
                raise
            raise TrackingError(f"the MLflow server at {self.url} failed: {error}") from error


def _short(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that MLflow takes: a list of many long labels has more characters than a tag may."""
    return {name: shortened(value, MAX_VERSION_TAG_CHARS) for name, value in tags.items()}


def _met(write: Callable[..., None], *arguments: str) -> None:
    """Write a tag or an alias; a second time where another process wrote it at the same moment.

    MLflow looks whether the row is there and then inserts it, and refuses the second of two.
    """
    from mlflow.exceptions import MlflowException

    try:
        write(*arguments)
    except MlflowException as error:
        if error.error_code != "BAD_REQUEST":
            raise
        write(*arguments)


def _known(version: Any) -> KnownVersion:
    made, changed = (
        datetime.fromtimestamp((timestamp or 0) / 1000, UTC).isoformat(timespec="milliseconds")
        for timestamp in (version.creation_timestamp, version.last_updated_timestamp)
    )
    tags = {str(name): str(value) for name, value in version.tags.items()}
    return KnownVersion(tags, str(version.user_id or ""), made, changed)
