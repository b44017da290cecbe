"""Whether a line is still what was written: ledger, versions, and what they were proven by."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from infra.errors import AssaylineError, PromotionError
from infra.registered_artifacts import check_version
from infra.store import ObjectStore, read_by_digest
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry
from tasks.registry.answers import kept_answers
from tasks.registry.audit import audit_ledger
from tasks.registry.proof import proof_of
from tasks.registry.provenance import FOLDER, facts_of, read_provenance
from tasks.registry.transitions import evidence_of
from tasks.registry.version_tags import MANIFEST_TAG

PROVEN: Final = "as registered"
CHANGED: Final = "changed"
NO_MANIFEST: Final = "no manifest"
# Evidence of a ledger entry that is kept under its digest, by name, with its address.
EVIDENCE_PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "scores": ("scores", "parquet"),
    "report": ("reports", "html"),
    "card": ("cards", "md"),
    "provenance": (FOLDER, "json"),
}


@dataclass(frozen=True)
class VersionCheck:
    """What was found of a version.

    Attributes:
        aliases: that it holds now, sorted.
        state: ``as registered``, ``changed`` or ``no manifest``; the last is of an earlier release.
        faults: each file that differs, and each piece of its evidence that is gone.

    """

    version: int
    aliases: tuple[str, ...]
    state: str
    faults: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong; without a manifest it must hold no alias."""
        return not self.faults and (self.state == PROVEN or not self.aliases)


@dataclass(frozen=True)
class Verification:
    """What was found of a line.

    Attributes:
        entries: of the ledger.
        ledger_faults: what is wrong with it, or with how the registry agrees with it.
        versions: of the registry, in order.

    """

    line: str
    entries: int
    ledger_faults: tuple[str, ...]
    versions: tuple[VersionCheck, ...]

    @property
    def is_well(self) -> bool:
        """Whether ledger and versions are all as they were written."""
        return not self.ledger_faults and all(check.is_well for check in self.versions)


def verify_line(
    line: str, store: ObjectStore, tracking: Tracking, progress: Callable[[str], None]
) -> Verification:
    """Read back every version of a line, its evidence and its ledger.

    Args:
        line: name of the line.
        store: holds ledger, manifests and evidence.
        tracking: holds the versions.
        progress: is told what is read next; a version is as large as its model.

    Raises:
        PromotionError: there is no such line.
        TrackingError: MLflow is unreachable.

    """
    numbers, aliases = tracking.versions(line), tracking.aliases(line)
    history, faults = _history(line, store, tracking)
    if not numbers and not history and not faults:
        raise PromotionError(
            f"{line} has neither a version nor a ledger; `assayline status` lists the lines"
        )
    checks = []
    for count, number in enumerate(numbers, start=1):
        progress(f"version {number} of {line} ({count} of {len(numbers)})")
        held = tuple(sorted(name for name, version in aliases.items() if version == number))
        checks.append(_check(line, number, held, history, store, tracking))
    return Verification(line, len(history), faults, tuple(checks))


def _history(
    line: str, store: ObjectStore, tracking: Tracking
) -> tuple[tuple[LedgerEntry, ...], tuple[str, ...]]:
    """The entries, and what is wrong with them or between them and the aliases."""
    try:
        audit = audit_ledger(line, store=store, tracking=tracking)
    except PromotionError as error:
        return (), (str(error),)
    return audit.entries, (audit.disagreement,) if audit.disagreement else ()


def _check(
    line: str,
    version: int,
    aliases: tuple[str, ...],
    history: Sequence[LedgerEntry],
    store: ObjectStore,
    tracking: Tracking,
) -> VersionCheck:
    tags = tracking.version_tags(line, version)
    recorded = [entry for entry in history if entry.candidate_version == version]
    if MANIFEST_TAG not in tags and not any("manifest" in entry.evidence for entry in recorded):
        return VersionCheck(version, aliases, NO_MANIFEST, ())
    faults = []
    try:
        proof = proof_of(line, version, history, tags)
        check_version(line, version, proof.manifest_sha256, store, tracking)
        facts_of(f"version {version} of {line}", tags, store)
    except (AssaylineError, ValueError) as error:
        faults.append(str(error))
    state = CHANGED if faults else PROVEN
    faults += _lost_evidence(recorded, store)
    return VersionCheck(version, aliases, state, tuple(faults))


def _lost_evidence(entries: Sequence[LedgerEntry], store: ObjectStore) -> Iterator[str]:
    """What ledger entries name as evidence and the store no longer has, or has otherwise."""
    named = {(name, sha256) for entry in entries for name, sha256 in entry.evidence.items()}
    named |= set(_made_of(entries, store))
    for name, sha256 in sorted(named):
        try:
            if name == "answers":
                kept_answers(sha256, store)
            elif name in EVIDENCE_PLACES:
                folder, ending = EVIDENCE_PLACES[name]
                read_by_digest(store, folder, sha256, ending)
        except AssaylineError as error:
            yield f"the {name} of a ledger entry: {error}"


def _made_of(entries: Sequence[LedgerEntry], store: ObjectStore) -> Iterator[tuple[str, str]]:
    """Evidence that the records of what versions were made of name, by name and digest."""
    for sha256 in {one.evidence["provenance"] for one in entries if "provenance" in one.evidence}:
        with suppress(AssaylineError):  # a record that is gone or changed is a fault itself
            yield from evidence_of(read_provenance(sha256, store)).items()
