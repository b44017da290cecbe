"""A registered version that the settings of another line name: by alias, or by its number."""

from dataclasses import dataclass
from typing import Final

from infra.errors import PromotionError, SettingsError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.evaluation import Champion
from tasks.registry.champion import comparator_of
from tasks.registry.line_state import LineState
from tasks.registry.outside_moves import refusal
from tasks.registry.provenance import facts_of
from tasks.registry.version_tags import PREVIOUS, PRODUCTION, task_type_of

_NOTHING_THERE: Final = "none; is it the name of a line that was run here?"


@dataclass(frozen=True)
class NamedVersion:
    """What its registration says of it.

    Attributes:
        version: as a candidate is compared with it.
        facts: tags and record of what it was made of.

    """

    version: Champion
    facts: dict[str, str]

    @property
    def task_type(self) -> str:
        """What it is for."""
        return task_type_of(self.facts)


@dataclass(frozen=True)
class AskedFor:
    """How a line's settings name a version.

    Attributes:
        setting: that does, for messages.
        line: name of the registered model.
        alias: in MLflow; production and previous are those that the ledger knows of.
        version: its number, in place of an alias.
        otherwise: what would be right beside a version that a run of its line registered.

    """

    setting: str
    line: str
    alias: str = PRODUCTION
    version: int | None = None
    otherwise: str = ""


def find_named(asked: AskedFor, *, store: ObjectStore, tracking: Tracking) -> NamedVersion:
    """The version that is named now.

    Raises:
        SettingsError: there is no such model, alias or version, or others registered the version.
        IntegrityError: the version's tags say otherwise than the record of what it was made of.
        PromotionError: somebody moved production outside of the ledger.
        StoreError, TrackingError: a server is unreachable.

    """
    number = _number_of(asked, tracking)
    state = LineState(asked.line, store, tracking)
    if asked.version is None and asked.alias in {PRODUCTION, PREVIOUS} and state.in_doubt:
        raise PromotionError(refusal(state, tracking))
    tags = tracking.version_tags(asked.line, number)
    version = comparator_of(state, number, tags, store)
    if not version.weights_uri or not version.weights_sha256:
        by_alias = f" ({asked.alias})" if asked.version is None else ""
        raise SettingsError(
            f"{asked.setting} names {version.name}{by_alias}, and no tag of it says of which "
            "weights it was made: others registered it. Right would be a version that a run of "
            f"its line registered{asked.otherwise}"
        )
    return NamedVersion(version, facts_of(version.name, tags, store))


def _number_of(asked: AskedFor, tracking: Tracking) -> int:
    if asked.version is not None:
        versions = tracking.versions(asked.line)
        if asked.version not in versions:
            there = ", ".join(map(str, sorted(versions))) or _NOTHING_THERE
            raise SettingsError(
                f"{asked.setting} names version {asked.version}, and the registered model "
                f"{asked.line!r} has the versions {there}"
            )
        return asked.version
    known = tracking.aliases(asked.line)
    if asked.alias not in known:
        there = ", ".join(sorted(known)) or _NOTHING_THERE
        raise SettingsError(
            f"{asked.setting} names the alias {asked.alias!r}, and the registered model "
            f"{asked.line!r} has the aliases {there}"
        )
    return known[asked.alias]
