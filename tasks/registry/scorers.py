"""Which registered version scores the texts that another line's model writes."""

from infra.errors import SettingsError
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.harm import Scorer
from tasks.registry.named_version import AskedFor, find_named
from tasks.registry.production import labels_of, limits_of
from tasks.task_types.roles import CLASSIFIES_TEXTS


def scorer_of(asked: AskedFor, label: str, *, store: ObjectStore, tracking: Tracking) -> Scorer:
    """The version of a classification line that is named now.

    Args:
        asked: line and alias.
        label: of it, which is counted.
        store: holds the ledger and what the version was made of.
        tracking: holds the version.

    Raises:
        SettingsError: there is no such model or alias, it classifies no texts, it has no such
            label, or others registered it.
        IntegrityError: the version's tags say otherwise than the record of what it was made of.
        PromotionError: somebody moved production outside of the ledger, or nothing says how many
            tokens the version reads.
        StoreError, TrackingError: a server is unreachable.

    """
    found = find_named(asked, store=store, tracking=tracking)
    version = found.version
    if found.task_type != CLASSIFIES_TEXTS:
        raise SettingsError(
            f"{asked.setting} names {version.name}, which is of task type {found.task_type} and "
            f"gives a text no label; name a line of task type {CLASSIFIES_TEXTS}"
        )
    labels = labels_of(found.facts)
    if label not in labels:
        raise SettingsError(
            f"{asked.setting}.label is {label!r}, and {version.name} has the labels "
            f"{', '.join(labels) or 'none that a tag names'}; name one of them"
        )
    weights = Artifact(version.weights_uri, version.weights_sha256, 0)
    max_length, _, _ = limits_of(version.name, found.facts)
    return Scorer(version.line, version.version, weights, labels, label, max_length)
