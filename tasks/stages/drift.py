"""The clean rows against those of the champion, and their splits against each other."""

from infra.store import open_store
from tasks.drift.settings import DriftSettings
from tasks.records.data import DataReference, DataReport, Drift
from tasks.records.split_shift import SplitShifts
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


@cached_stage()
def measure_split_shift(
    data: DataReport, base: BaseModel | None, settings: DriftSettings
) -> SplitShifts:
    """Compare the held-out rows with the training rows, in a line's first run too."""
    from tasks.drift.split_shift import compare_splits

    return compare_splits(data, base, settings, open_store())
