"""The version in production, downloaded, held against its manifest, and loaded once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.artifact_manifest import from_bytes
from infra.registered_artifacts import check_files, read_manifest
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import Production
from tasks.task_types.examiner import Examiner, examiner_of
from tasks.task_types.kept_models import keep_models
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ProductionModel:
    """A version in production that is asked as its evaluation asked it.

    Attributes:
        production: which version.
        folder: its model and tokenizer, as transformers loads them.
        examiner: of its task type, with its labels and limits.

    """

    production: Production
    folder: Path
    examiner: Examiner

    def answer(self, rows: "pa.Table") -> "pa.Array":
        """Strings (N,), the JSON that the served model answers to each of N rows.

        Args:
            rows: with the input columns of the task type; others are not looked at.

        Raises:
            SettingsError: its task type does not say how it answers.
            TrainingError: the model gives a score that is no number.

        """
        return self.examiner.answer(self.folder, rows)

    def answer_columns(self, rows: "pa.Table") -> "pa.Table":
        """What `answer` says of N rows, a column for each field; see `Examiner.answer_columns`."""
        return self.examiner.answer_columns(self.folder, rows)

    @property
    def input_names(self) -> list[str]:
        """The input columns of its task type."""
        return [column.name for column in shape_of(self.production.task_type).inputs]


def download_model(
    production: Production, folder: Path, *, store: ObjectStore, tracking: Tracking
) -> Path:
    """Download a version below a folder; returns that of its model and tokenizer.

    Raises:
        IntegrityError: its files are not those of its manifest.
        StoreError, TrackingError: a server is unreachable, or lacks the version.

    """
    line, version = production.line, production.version
    artifact = tracking.download_artifact(line, version, folder)
    manifest = from_bytes(read_manifest(production.manifest_sha256, store))
    check_files(f"version {version} of {line}", artifact, manifest)
    return tracking.model_of(artifact, line, version)


@contextmanager
def model_of_folder(production: Production, folder: Path) -> Iterator[ProductionModel]:
    """A downloaded version, loaded for as long as the block runs, in its thread (`keep_models`).

    Raises:
        SettingsError: its task type is not installed here.

    """
    examiner = examiner_of(production.task_type, production.labels, TokenLimits.of(production))
    with keep_models():
        yield ProductionModel(production, folder, examiner)
