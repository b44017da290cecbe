"""Data: from the source to an immutable snapshot, and from there to clean rows."""

from pathlib import Path

from infra.stages import cached_stage, look_up
from infra.store import open_store
from tasks.data.contract.settings import ContractSettings
from tasks.data.drift.settings import DriftSettings
from tasks.data.ingestion.splits import SplitSettings
from tasks.data.leakage.settings import LeakageSettings
from tasks.data.privacy.settings import PrivacySettings
from tasks.data.representation.settings import RepresentationSettings
from tasks.data.sources.settings import SourceSettings
from tasks.records import (
    BaseModel,
    DataReference,
    DataReport,
    Drift,
    Readmission,
    Representation,
    Snapshot,
    SourceFile,
    SourceVersion,
)
from tasks.task_types.rows import TaskTypeName

_TASKS = Path(__file__).parents[1]
_RECORDS = (_TASKS / "records", _TASKS / "task_types" / "rows.py")
_IDENTITY = _TASKS / "identity"
_INFRA = _TASKS.parent / "infra"
_EMBEDDING = (_TASKS / "task_types", _INFRA / "base_models.py", _INFRA / "device.py")


@look_up
def pin_source(line: str, settings: SourceSettings) -> SourceVersion:
    """Fingerprint what the source is made of as it is now, and what was taken back in."""
    from tasks.data.sources.pinning import pin

    return pin(line, settings, open_store())


@cached_stage(also=_RECORDS, libraries=("pyarrow",))
def ingest(
    source: SourceVersion, settings: SourceSettings, splits: SplitSettings, task_type: TaskTypeName
) -> Snapshot:
    """Copy the source's distinct rows to the store, each in its split."""
    from tasks.data.ingestion.snapshot import write_snapshot

    return write_snapshot(source, settings, splits, task_type, open_store())


@look_up
def pin_benchmarks(settings: LeakageSettings) -> tuple[SourceFile, ...]:
    """Fingerprint the benchmarks that no training row may overlap, as they are now."""
    from tasks.data.leakage import benchmarks

    return benchmarks.pin_benchmarks(settings, open_store())


@cached_stage(
    also=_RECORDS,
    libraries=(
        "great-expectations",
        "lingua-language-detector",
        "pandas",
        "presidio-analyzer",
        "pyarrow",
        "rensa",
        "spacy",
        "tokenizers",
    ),
)
def validate(
    snapshot: Snapshot,
    base: BaseModel | None,
    benchmarks: tuple[SourceFile, ...],  # noqa: ARG001 - a changed benchmark makes another key
    contract: ContractSettings,
    leakage: LeakageSettings,
    privacy: PrivacySettings,
) -> DataReport:
    """Hold the snapshot against the data contract; put aside and redact what must not go on."""
    from tasks.data.contract.validation import validate_snapshot

    return validate_snapshot(snapshot, base, contract, leakage, privacy, open_store())


@cached_stage(also=(*_RECORDS, _TASKS / "resampling.py", _IDENTITY), libraries=("pyarrow", "scipy"))
def represent(data: DataReport, settings: RepresentationSettings) -> Representation:
    """Measure who and what the clean rows stand for."""
    from tasks.data.representation.measuring import represent_rows

    return represent_rows(data, settings, open_store())


@cached_stage(
    also=(*_RECORDS, *_EMBEDDING),
    libraries=("numpy", "pyarrow", "scikit-learn", "scipy", "tokenizers", "torch", "transformers"),
)
def measure_drift(
    data: DataReport,
    reference: DataReference | None,
    base: BaseModel | None,
    settings: DriftSettings,
) -> Drift | None:
    """Compare the clean rows with those of the champion; None where there is no champion."""
    from tasks.data.drift.comparison import compare

    return compare(data, reference, base, settings, open_store())


@look_up
def take_back(
    line: str, path: str, settings: SourceSettings, task_type: TaskTypeName
) -> Readmission:
    """Take a repaired quarantine file back in: the next run reads its rows."""
    from tasks.data.contract.readmission import readmit_file

    return readmit_file(line, path, settings, task_type, open_store())
