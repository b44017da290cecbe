"""Which registered version a student learns from."""

from infra.errors import PromotionError, SettingsError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.distillation import RegisteredTeacher
from tasks.registry.champion import comparator_of
from tasks.registry.line_state import LineState
from tasks.registry.outside_moves import refusal
from tasks.registry.provenance import facts_of
from tasks.registry.version_tags import PREVIOUS, PRODUCTION, task_type_of


def teacher_of(
    line: str, alias: str, *, store: ObjectStore, tracking: Tracking
) -> RegisteredTeacher:
    """The version that an alias names now, as a candidate is compared with it.

    Args:
        line: name of the registered model.
        alias: in MLflow; production and previous are those that the ledger knows of.
        store: holds the ledger and what the version was made of.
        tracking: holds the version.

    Raises:
        SettingsError: there is no such model or alias, or others registered the version.
        IntegrityError: the version's tags say otherwise than the record of what it was made of.
        PromotionError: somebody moved production outside of the ledger.
        StoreError, TrackingError: a server is unreachable.

    """
    known = tracking.aliases(line)
    if alias not in known:
        there = ", ".join(sorted(known)) or "none; is it the name of a line that was run here?"
        raise SettingsError(
            f"distillation.teacher.alias is {alias!r}, and the registered model {line!r} "
            f"(distillation.teacher.line) has the aliases {there}"
        )
    state = LineState(line, store, tracking)
    if alias in {PRODUCTION, PREVIOUS} and state.in_doubt:
        raise PromotionError(refusal(state, tracking))
    tags = tracking.version_tags(line, known[alias])
    version = comparator_of(state, known[alias], tags, store)
    if not version.weights_uri or not version.weights_sha256:
        raise SettingsError(
            f"distillation.teacher names {version.name} ({alias}), and no tag of it says of which "
            "weights it was made: others registered it. Right would be a version that a run of "
            "its line registered, or distillation.teacher.folder with its files"
        )
    return RegisteredTeacher(version, task_type_of(facts_of(version.name, tags, store)))
