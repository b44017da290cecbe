"""Data: from the source to an immutable snapshot, and from there to clean rows."""

from pathlib import Path

from infra.stages import cached_stage, look_up
from infra.store import open_store
from tasks import records
from tasks.data.contract import ContractSettings
from tasks.data.source import SourceSettings
from tasks.data.splits import SplitSettings
from tasks.records import DataReport, Snapshot, SourceVersion

_RECORDS = Path(records.__file__)


@look_up
def pin_source(settings: SourceSettings) -> SourceVersion:
    """Fingerprint the files of the source as they are now."""
    from tasks.data.pinning import pin

    return pin(settings, open_store())


@cached_stage(also=(_RECORDS,), libraries=("pyarrow",))
def ingest(source: SourceVersion, settings: SourceSettings, splits: SplitSettings) -> Snapshot:
    """Copy the source's distinct rows to the store, each in its split."""
    from tasks.data.ingestion import write_snapshot

    return write_snapshot(source, settings, splits, open_store())


@cached_stage(also=(_RECORDS,), libraries=("great-expectations", "pandas", "pyarrow"))
def validate(snapshot: Snapshot, contract: ContractSettings) -> DataReport:
    """Hold the snapshot against the data contract."""
    from tasks.data.validation import validate_snapshot

    return validate_snapshot(snapshot, contract, open_store())
