"""Which registered version a student learns from."""

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.distillation import RegisteredTeacher
from tasks.registry.named_version import AskedFor, find_named
from tasks.registry.version_tags import LICENCE_TAG


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
    asked = AskedFor(
        "distillation.teacher", line, alias,
        otherwise=", or distillation.teacher.folder with its files",
    )  # fmt: skip
    found = find_named(asked, store=store, tracking=tracking)
    return RegisteredTeacher(found.version, found.task_type, found.facts.get(LICENCE_TAG, ""))
