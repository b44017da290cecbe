"""How production moves: the ledger first, then the aliases, and how a crash between is mended.

The order of a transition's steps:

0. the version's files are read back and held against its manifest (`tasks.registry.proof`);
1. the ledger entry is appended: from here on the decision stands;
2. the aliases are moved, ``previous`` before ``production``, so that there is never a production
   without a way back;
3. the version's tags say how the decision went, the address of the entry last, which marks the
   transition as finished.

A crash before 1 leaves nothing. A crash after it leaves an entry whose version does not name it:
the next transition of the line, or the same one again, finds that and repeats 2 and 3, which give
the same result however often. So an alias never names a production that no entry explains.
"""

from collections.abc import Mapping
from typing import Final

from infra.errors import PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.ledger import OVERRIDDEN, PROMOTED, Recorded, append, now, read_recorded
from tasks.registry.proof import check_before_move
from tasks.registry.version_tags import EVIDENCE_TAGS, STAGING
from tasks.verdicts import Verdict

PRODUCTION: Final = "production"
PREVIOUS: Final = "previous"
ENTRY_TAG: Final = "assayline.ledger"
VERDICT_TAG: Final = "assayline.verdict"
ACTION_TAG: Final = "assayline.action"
REASON_TAG: Final = "assayline.reason"
BY_TAG: Final = "assayline.by"
AT_TAG: Final = "assayline.decided_at"
PROMOTED_AT_TAG: Final = "assayline.promoted_at"


class LineState:
    """The ledger and the aliases of one line, as they were read together.

    Attributes:
        line: name of the line.
        history: the ledger, oldest first.
        pending: the newest entry, where its transition was not carried out to the end.
        production: version in production, or the one that the pending transition puts there.
        previous: version that a rollback leads to.

    """

    def __init__(self, line: str, store: ObjectStore, tracking: Tracking) -> None:
        self.line = line
        self.history = read_recorded(store, line)
        aliases = tracking.aliases(line)
        self.production = aliases.get(PRODUCTION)
        self.previous = aliases.get(PREVIOUS)
        self.pending = self._find_pending(tracking)
        if self.pending and _moves(self.pending.entry):
            self.production = self.pending.entry.to_version
            self.previous = self.pending.entry.from_version or self.previous

    @property
    def head(self) -> Recorded | None:
        """The newest entry."""
        return self.history[-1] if self.history else None

    def _find_pending(self, tracking: Tracking) -> Recorded | None:
        """The newest entry, if its version does not name it.

        Raises:
            PromotionError: the version names an entry that the ledger lacks.

        """
        head = self.head
        in_doubt = {self.production, head.entry.candidate_version if head else None} - {None}
        uris = {recorded.uri for recorded in self.history}
        named = {
            number: tracking.version_tags(self.line, number).get(ENTRY_TAG)
            for number in in_doubt
            if number is not None
        }
        for number, uri in named.items():
            if uri and uri not in uris:
                raise PromotionError(
                    f"the ledger of {self.line} lacks the entry {uri}, which version {number} "
                    "names; restore it from a backup. Nothing is promoted without it"
                )
        if head and named[head.entry.candidate_version] != head.uri:
            return head
        return None


def settle(line: str, store: ObjectStore, tracking: Tracking) -> tuple[LineState, Recorded | None]:
    """Read a line, and carry out a transition that a crash had cut short.

    Returns:
        The state after that, and the entry that was carried out, if there was one.

    Raises:
        IntegrityError: the version that it moves production to is not what was proven.

    """
    state = LineState(line, store, tracking)
    unfinished = state.pending
    if unfinished:
        entries = [recorded.entry for recorded in state.history]
        check_before_move(unfinished.entry, entries, store, tracking)
        carry_out(unfinished, tracking)
        state = LineState(line, store, tracking)
    return state, unfinished


def record(
    store: ObjectStore,
    tracking: Tracking,
    state: LineState,
    *,
    action: str,
    to_version: int | None,
    candidate: int,
    verdict: Verdict | None,
    reason: str,
    by: str,
    evidence: Mapping[str, str],
) -> Recorded:
    """Append an entry to a settled line and carry it out.

    Raises:
        IntegrityError: the version that it moves production to is not what was proven.
        PromotionError: as `append`.

    """
    head = state.head
    entry = LedgerEntry(
        line=state.line,
        action=action,
        from_version=state.production,
        to_version=to_version,
        candidate_version=candidate,
        verdict=verdict,
        reason=reason,
        evidence=dict(evidence),
        by=by,
        at=now(),
        previous_sha256=head.sha256 if head else "",
    )
    check_before_move(entry, [recorded.entry for recorded in state.history], store, tracking)
    recorded = append(store, entry, head)
    carry_out(recorded, tracking)
    return recorded


def carry_out(recorded: Recorded, tracking: Tracking) -> None:
    """Move the aliases and write the tags of an entry; the same however often it is done."""
    entry = recorded.entry
    if _moves(entry):
        if entry.from_version is not None:
            tracking.set_alias(entry.line, PREVIOUS, entry.from_version)
        tracking.set_alias(entry.line, PRODUCTION, entry.candidate_version)
        if entry.action in {PROMOTED, OVERRIDDEN}:
            tracking.set_alias(entry.line, STAGING, entry.candidate_version)
    tracking.set_tags(entry.line, entry.candidate_version, _tags(recorded))


def _tags(recorded: Recorded) -> dict[str, str]:
    """In the order in which they are set: the entry's address is the last."""
    entry = recorded.entry
    tags = {ACTION_TAG: entry.action, REASON_TAG: entry.reason, BY_TAG: entry.by, AT_TAG: entry.at}
    if entry.verdict is not None:
        tags[VERDICT_TAG] = entry.verdict.value
    if _moves(entry):
        tags[PROMOTED_AT_TAG] = entry.at
    return {**tags, ENTRY_TAG: recorded.uri}


def _moves(entry: LedgerEntry) -> bool:
    return entry.to_version != entry.from_version


def evidence_of(tags: Mapping[str, str]) -> dict[str, str]:
    """The digests of a version's evidence, by name."""
    return {name: tags[tag] for name, tag in EVIDENCE_TAGS.items() if tag in tags}
