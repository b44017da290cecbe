"""A canary by the ledger: a candidate that passes every gate is tried before it takes over."""

from datetime import UTC, datetime

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.canary import CanaryStep
from tasks.registry.canary_history import open_canary
from tasks.registry.ledger import CANARY_STARTED, CANARY_STOPPED, Recorded, newest_first
from tasks.registry.ledger_index import read_index
from tasks.registry.outcomes import moves
from tasks.registry.version_tags import PRODUCTION


def canary_of(line: str, *, store: ObjectStore, tracking: Tracking) -> CanaryStep | None:
    """The step of the canary that goes on; None where no candidate is to be asked anything.

    It reads no more of the ledger than the entries since production was moved last, so that it can
    be asked each few seconds. There is none either once production names another version in MLflow
    than when the canary began, or once its time is over: what becomes of it then is decided by the
    next run of ``canary/LINE``, and until then the candidate is asked nothing.

    Raises:
        PromotionError: an entry of the ledger is not what was written.
        StoreError, TrackingError: a server is unreachable.

    """
    newest: list[Recorded] = []
    for recorded in newest_first(store, line, read_index(line, tracking)):
        newest.insert(0, recorded)
        entry = recorded.entry
        if entry.action in {CANARY_STARTED, CANARY_STOPPED} or moves(entry):
            break
    found = open_canary(newest)
    step = found.step if found else None
    if found is None or step is None or _is_over(found.newest.entry.until):
        return None
    return step if tracking.aliases(line).get(PRODUCTION) == step.production else None


def _is_over(until: str) -> bool:
    return datetime.fromisoformat(until) <= datetime.now(UTC)
