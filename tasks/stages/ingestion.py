"""From a source to an immutable snapshot, and repaired rows back into it."""

from infra.store import open_store
from tasks.ingestion.splits import SplitSettings
from tasks.records.data import Readmission, Snapshot, SourceVersion
from tasks.sources.settings import SourceSettings
from tasks.stages.caching import cached_stage, look_up


@look_up
def pin_source(line: str, settings: SourceSettings) -> SourceVersion:
    """Fingerprint what the source is made of as it is now, and what was taken back in."""
    from tasks.sources.pinning import pin

    return pin(line, settings, open_store())


@cached_stage()
def ingest(
    source: SourceVersion, settings: SourceSettings, splits: SplitSettings, task_type: str
) -> Snapshot:
    """Copy the source's distinct rows to the store, each in its split."""
    from tasks.ingestion.snapshot import write_snapshot

    return write_snapshot(source, settings, splits, task_type, open_store())


@look_up
def readmit_rows(line: str, path: str, settings: SourceSettings, task_type: str) -> Readmission:
    """Take a repaired quarantine file back in: the next run reads its rows."""
    from tasks.ingestion.readmission import readmit_file

    return readmit_file(line, path, settings, task_type, open_store())
