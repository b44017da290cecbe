"""The clean rows against those of the champion."""

from infra.store import open_store
from tasks.drift.settings import DriftSettings
from tasks.records.data import DataReference, DataReport, Drift
from tasks.records.training import BaseModel
from tasks.stages.caching import cached_stage


@cached_stage()
def measure_drift(
    data: DataReport,
    reference: DataReference | None,
    base: BaseModel | None,
    settings: DriftSettings,
) -> Drift | None:
    """Compare the clean rows with those of the champion; None where there is no champion."""
    from tasks.drift.comparison import compare

    return compare(data, reference, base, settings, open_store())
