"""What the ledger, the registry and its aliases say of one line, and where they differ."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from infra.errors import PromotionError
from infra.model_registry import KnownVersion
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import MOVED_OUTSIDE, Recorded, objects_of, read, whole
from tasks.registry.ledger_index import read_index
from tasks.registry.outcomes import Outcome, agreed_outcome, outcome_of
from tasks.registry.version_tags import ENTRY_TAG, PREVIOUS, PRODUCTION, WEIGHTS_TAG

# Looks at a line that others move meanwhile, before it is said that nobody can tell.
LOOKS: Final = 5

Served = tuple[int | None, int | None]


class LineState:
    """The ledger and the aliases of one line, as they were read together.

    Attributes:
        line: name of the line.
        reading: the ledger, with what does not count.
        history: the ledger's entries, oldest first.
        index: what the registry keeps of the ledger.
        outcome: the versions that the aliases name by the newest entry.
        agreed: the same, without moves outside of the ledger that nobody decided on yet.
        aliases: what production and previous name in MLflow.
        pending: the newest entry, where its transition was not carried out to the end.
        stale: whether a process that slept or was killed left aliases of an older entry.
        outside: whether aliases name what no entry explains.

    """

    def __init__(self, line: str, store: ObjectStore, tracking: Tracking) -> None:
        self.line = line
        for _ in range(LOOKS):
            objects = objects_of(store, line)
            self.index = read_index(line, tracking)
            trouble = None
            try:
                self._look(objects, store, tracking)
            except PromotionError as error:
                trouble = error
            if not trouble and not self.differs:
                return
            # What somebody else recorded between two of these requests is neither a fault nor a
            # difference.
            if read_index(line, tracking).newest == self.index.newest:
                if trouble:
                    raise trouble
                return
        raise PromotionError(f"{line} is moved by others at this moment; start it again")

    def _look(self, objects: Sequence[str], store: ObjectStore, tracking: Tracking) -> None:
        begun = self.index.begun
        versions = {} if begun else tracking.known_versions(self.line)
        named = entries_named(versions)
        self.reading = read(store, self.line, objects, self.index, named)
        self.history = whole(self.reading, store, self.line)
        uris = {recorded.uri for recorded in self.history}
        if lacking := sorted(named.keys() - uris):
            raise PromotionError(lacks_entry(self.line, named[lacking[0]], lacking[0]))
        entries = [recorded.entry for recorded in self.history]
        if not begun:
            check_is_of_this_registry(self.history, versions, tracking.url)
        self.outcome, self.agreed = outcome_of(entries), agreed_outcome(entries)
        # Tags before aliases: an entry that its version names has moved its aliases.
        self.pending = self._find_pending(tracking)
        aliases = tracking.aliases(self.line)
        self.aliases: Served = aliases.get(PRODUCTION), aliases.get(PREVIOUS)
        before = outcome_of(entries[:-1])
        explained = _explains(self.aliases, self.outcome, before if self.pending else self.outcome)
        self.stale = not self.pending and not explained and self._is_stale(entries)
        self.outside = not explained and not self.stale

    @property
    def head(self) -> Recorded | None:
        """The newest entry."""
        return self.history[-1] if self.history else None

    @property
    def disputed(self) -> bool:
        """Whether the ledger knows of a move outside of it that nobody decided on yet."""
        return self.outcome.served != self.agreed.served

    @property
    def in_doubt(self) -> bool:
        """Whether the aliases name what nobody decided on, be it recorded or not."""
        return (self.outside or self.disputed) and self.aliases != self.agreed.served

    @property
    def differs(self) -> bool:
        """Whether the aliases are not what the newest entry says, and not on their way there."""
        return self.stale or self.outside

    @property
    def production(self) -> int | None:
        """The version in production by the ledger, whatever was done outside of it."""
        return self.agreed.production

    @property
    def previous(self) -> int | None:
        """The version that a rollback leads to, by the ledger."""
        return self.agreed.previous

    def _find_pending(self, tracking: Tracking) -> Recorded | None:
        """The newest entry, if its version does not name it.

        Of a version that was deleted in MLflow nothing is left to carry out.

        Raises:
            PromotionError: a version names an entry that the ledger lacks, or is another one than
                that of which the ledger tells.

        """
        head = self.head
        in_doubt = {self.outcome.production, head.entry.candidate_version if head else None}
        uris = {recorded.uri for recorded in self.history}
        found = {
            number: tracking.known_version(self.line, number)
            for number in in_doubt
            if number is not None
        }
        for number, version in found.items():
            if version is None:
                continue
            if (uri := version.tags.get(ENTRY_TAG)) and uri not in uris:
                raise PromotionError(lacks_entry(self.line, number, uri))
            self._check_weights(number, version)
        candidate = found.get(head.entry.candidate_version) if head else None
        return head if head and candidate and candidate.tags.get(ENTRY_TAG) != head.uri else None

    def _check_weights(self, number: int, version: KnownVersion) -> None:
        """A model that was deleted and registered anew counts its versions from 1 again."""
        for recorded in reversed(self.history):
            if recorded.entry.candidate_version == number:
                judged = recorded.entry.evidence.get("weights")
                if judged and version.tags.get(WEIGHTS_TAG) != judged:
                    raise PromotionError(
                        f"version {number} of {self.line} in the registry is of the weights "
                        f"{version.tags.get(WEIGHTS_TAG)}, and {recorded.uri} tells of version "
                        f"{number} with {judged}: it was registered anew, or its tags were "
                        "changed. Restore MLflow's database from a backup, or give the line a new "
                        "name; nothing is moved"
                    )
                return

    def _is_stale(self, entries: list[LedgerEntry]) -> bool:
        newest = len(entries)
        if entries and entries[-1].action == MOVED_OUTSIDE:  # which is no place to go back to
            return False
        older = (outcome_of(entries[:number]) for number in self.index.movers if number < newest)
        return any(_explains(self.aliases, self.outcome, outcome) for outcome in older)


def _explains(aliases: Served, *outcomes: Outcome) -> bool:
    """Whether each alias names what one of the outcomes says."""
    return all(
        version in {outcome.served[place] for outcome in outcomes}
        for place, version in enumerate(aliases)
    )


def entries_named(versions: Mapping[int, KnownVersion]) -> dict[str, int]:
    """The ledger entries that versions name, each with the version."""
    return {
        version.tags[ENTRY_TAG]: number
        for number, version in versions.items()
        if ENTRY_TAG in version.tags
    }


def lacks_entry(line: str, version: int, uri: str) -> str:
    """What is said where the registry knows an entry that the store lacks."""
    return (
        f"the ledger of {line} lacks the entry {uri}, which version {version} names; restore it "
        "from a backup. Nothing is promoted without it"
    )


def check_is_of_this_registry(
    history: Sequence[Recorded], versions: Mapping[int, KnownVersion], url: str
) -> None:
    """Make sure that a ledger which no index knows yet tells of this registry's versions.

    Raises:
        PromotionError: it tells of another's, so that a second stack on the same store stops here.

    """
    if not history or {one.uri for one in history} & entries_named(versions).keys():
        return
    first = history[0]
    if len(history) == 1 and _is_cut_off(first.entry, versions):
        return
    raise PromotionError(
        f"no version of {first.entry.line} at {url} names an entry of the ledger at "
        f"{first.uri.rsplit('/', 1)[0]}: that is of another MLflow server, or MLflow's database "
        "was made anew. Restore it from a backup, set ASSAYLINE_ARTIFACTS_BUCKET to a bucket of "
        "this stack's own, or give the line a new name; nothing is moved"
    )


def _is_cut_off(entry: LedgerEntry, versions: Mapping[int, KnownVersion]) -> bool:
    """Whether a first entry may be of a process that died before it had named it on its version."""
    version = versions.get(entry.candidate_version)
    return version is not None and version.tags.get(WEIGHTS_TAG) == entry.evidence.get("weights")


def digests(entries: Iterable[Recorded]) -> dict[int, str]:
    """SHA-256 of entries by number."""
    return {recorded.number: recorded.sha256 for recorded in entries}
