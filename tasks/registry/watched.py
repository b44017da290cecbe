"""The version in production as the monitor must know it: what it learned, and what it answered."""

from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.monitoring import WatchedVersion
from tasks.registry.line_state import LineState
from tasks.registry.production import production_of
from tasks.registry.provenance import facts_of
from tasks.registry.version_tags import DATA_TAG, DATA_URI_TAG, EVIDENCE_TAGS


def watched_version(line: str, *, store: ObjectStore, tracking: Tracking) -> WatchedVersion | None:
    """The version in production; None where no version ever was, so that nothing is to be watched.

    Raises:
        IntegrityError, PromotionError: as `production_of`.
        StoreError, TrackingError: a server is unreachable.

    """
    state = LineState(line, store, tracking)
    if state.production is None and not state.in_doubt:
        return None
    production = production_of(line, store=store, tracking=tracking)
    version = production.version
    tags = tracking.version_tags(line, version)
    facts = facts_of(f"version {version} of {line}", tags, store)
    scores = facts.get(EVIDENCE_TAGS["scores"], "")
    return WatchedVersion(
        line=line,
        version=version,
        weights_sha256=production.weights_sha256,
        task_type=production.task_type,
        labels=production.labels,
        clean=Artifact(facts.get(DATA_URI_TAG, ""), facts.get(DATA_TAG, ""), 0),
        scores=Artifact(store.uri("scores", f"{scores}.parquet") if scores else "", scores, 0),
    )
