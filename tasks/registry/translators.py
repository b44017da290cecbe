"""Which registered versions translate training rows there and back."""

from infra.errors import SettingsError
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.back_translation import Translator
from tasks.registry.named_version import AskedFor, find_named
from tasks.registry.production import limits_of
from tasks.task_types.roles import TRANSLATES


def translator_of(asked: AskedFor, *, store: ObjectStore, tracking: Tracking) -> Translator:
    """The version of a translation line that is named now.

    Args:
        asked: line, and alias or number.
        store: holds the ledger and what the version was made of.
        tracking: holds the version.

    Raises:
        SettingsError: there is no such model, alias or version, it does not translate, or others
            registered it.
        IntegrityError: the version's tags say otherwise than the record of what it was made of.
        PromotionError: somebody moved production outside of the ledger, or nothing says how many
            tokens the version reads.
        StoreError, TrackingError: a server is unreachable.

    """
    found = find_named(asked, store=store, tracking=tracking)
    version = found.version
    if found.task_type != TRANSLATES:
        raise SettingsError(
            f"{asked.setting} names {version.name}, which is of task type {found.task_type} and "
            f"does not translate; name a line of task type {TRANSLATES}"
        )
    max_length, _, target_length = limits_of(version.name, found.facts)
    data = Artifact(version.data_uri, version.data_sha256, 0) if version.data_uri else None
    return Translator(
        version.line, version.version, Artifact(version.weights_uri, version.weights_sha256, 0),
        data, max_length, target_length or max_length,
    )  # fmt: skip
