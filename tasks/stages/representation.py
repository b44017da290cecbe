"""Who and what the clean rows stand for."""

from infra.store import open_store
from tasks.records.data import DataReport, Representation
from tasks.representation.settings import RepresentationSettings
from tasks.stages.caching import cached_stage


@cached_stage()
def represent(data: DataReport, settings: RepresentationSettings) -> Representation:
    """Measure who and what the clean rows stand for."""
    from tasks.representation.measurement import represent_rows

    return represent_rows(data, settings, open_store())
