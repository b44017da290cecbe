"""From a registered version to production, and the ledger of it."""

from dataclasses import dataclass, field

from infra.store import Artifact
from tasks.records.identity import NOT_IDENTITY
from tasks.records.looks import Look
from tasks.records.power import GatePower
from tasks.verdicts import Estimate, GateResult, Verdict


@dataclass(frozen=True)
class Version:
    """A registered model version.

    Attributes:
        version: number in the MLflow registry, under the line's name.
        weights_sha256: digest of the weights that it was made of.
        manifest_sha256: digest of the list of its registered files, each with its own digest.
        provenance_sha256: digest of the record of what it was made of; empty where an earlier
            release registered it, with all of that in tags.

    """

    line: str
    version: int
    weights_sha256: str
    manifest_sha256: str
    run_id: str = field(metadata=NOT_IDENTITY)
    url: str = field(metadata=NOT_IDENTITY)
    provenance_sha256: str = ""


@dataclass(frozen=True)
class Production:
    """The version in production, and what it takes to ask it as it was evaluated.

    Attributes:
        version: number in the MLflow registry, under the line's name.
        weights_sha256: digest of the weights that it was made of.
        manifest_sha256: digest of the list of its registered files.
        task_type: what it is for.
        labels: of its outputs, in their order; empty where its task type has none.
        max_length: tokens that a text is cut to, special ones included.
        stride: tokens that two windows of one text share.
        max_target_length: tokens of a written text; 0: max_length.

    """

    line: str
    version: int
    weights_sha256: str
    manifest_sha256: str
    task_type: str
    labels: tuple[str, ...]
    max_length: int
    stride: int
    max_target_length: int


@dataclass(frozen=True)
class Staged:
    """How the registered artifact behaved, served over HTTP in a process of its own.

    Attributes:
        estimates: staging.same_predictions (share of rows), staging.latency_p95_ms,
            staging.size_mb, staging.load_s.
        requirements: what the version says that it needs.
        answers_sha256: digest of the answers that it gave to the held-out rows, as they are kept.

    """

    version: int
    estimates: tuple[Estimate, ...]
    requirements: tuple[str, ...]
    answers_sha256: str


@dataclass(frozen=True)
class Judgement:
    """The policy over the evidence.

    Attributes:
        gates: each gate with its number, interval, threshold and verdict.
        verdict: pass only if every gate passes.
        notes: what was not judged and why, for example that there is no champion.
        look: at the held-out rows that the gates are judged on; None where none was recorded.
        look_share: the number that alpha was divided by for this look; 1 where looks cost nothing.
        fairness_not_gated: why no gate asked how groups are treated; empty where one did.
        power: with what probability each gate passes an equal and a slightly better candidate, in
            the order of the gates.
        golden_share: the number that alpha was divided by for the gates on golden sets.
        approval: who lets a candidate that passes into production, by the policy: ``automatic`` or
            ``by a person``.
        policy_sha256: digest of the policy, as it is kept; empty where none was.
        canary: whether a candidate that passes is tried on served requests before it is promoted.

    """

    gates: tuple[GateResult, ...]
    verdict: Verdict
    notes: tuple[str, ...] = ()
    look: Look | None = None
    look_share: int = 1
    fairness_not_gated: str = ""
    power: tuple[GatePower, ...] = ()
    golden_share: int = 1
    approval: str = field(default="automatic", metadata=NOT_IDENTITY)
    policy_sha256: str = field(default="", metadata=NOT_IDENTITY)
    canary: bool = field(default=False, metadata=NOT_IDENTITY)


@dataclass(frozen=True)
class Approval:
    """What a person says of a candidate that passes every gate.

    Attributes:
        approved: whether it may go into production.
        by: the name that was given.
        reason: why.
        login: of the person, as it was verified; empty where MLflow keeps no users.

    """

    approved: bool
    by: str
    reason: str
    login: str = ""

    @property
    def who(self) -> str:
        """As `LedgerEntry.who`."""
        return _who(self.login, self.by)


@dataclass(frozen=True)
class Report:
    """The written evidence: the HTML report and the model card, both also on the MLflow run."""

    html: Artifact
    card: Artifact
    url: str = field(metadata=NOT_IDENTITY)


@dataclass(frozen=True)
class Decision:
    """What a run came to.

    Attributes:
        action: ``promoted``, ``refused``, ``rejected`` (by a person), ``awaiting approval`` (in
            another run), ``canary started``, or ``canary stopped`` (before this run).
        reason: one sentence.
        ledger_uri: the ledger entry's address.

    """

    line: str
    version: int
    action: str
    reason: str
    judgement: Judgement
    ledger_uri: str
    version_url: str
    report_url: str
    report_uri: str


@dataclass(frozen=True)
class VersionState:
    """What a version is to its line.

    Attributes:
        aliases: that name it in MLflow.
        action: of the newest ledger entry on it; empty where there is none.
        verdict: of the policy, where it was asked then.
        at: when, ISO 8601, UTC.
        by: who decided so, as `LedgerEntry.who`.
        reason: one sentence.

    """

    version: int
    aliases: tuple[str, ...]
    action: str
    verdict: Verdict | None
    at: str
    by: str
    reason: str


@dataclass(frozen=True)
class LedgerEntry:
    """One transition of a line, as it stands in the ledger.

    Attributes:
        action: ``promoted``, ``refused``, ``overridden`` (a person promoted against or without a
            verdict) or ``rolled back``; where the policy asks a person, ``awaiting approval`` and
            then ``promoted`` or ``rejected``, or ``withdrawn`` where the run that asked ended
            before anybody had decided; of what was done in MLflow past the ledger ``moved
            outside``, and then ``accepted`` or ``restored``; where the policy asks for a canary,
            ``canary started``, ``canary advanced`` and then ``promoted`` or ``canary stopped``.
        from_version: version in production before; None where there was none.
        to_version: version in production after.
        candidate_version: the version that was judged.
        verdict: of the policy, where it was asked.
        evidence: digests by name (data, weights, manifest, scores, fairness, answers, report).
        by: ``policy``, or the name that a person gave; see ``login`` for who that was.
        at: ISO 8601, UTC.
        previous_sha256: digest of the entry before; empty in the first.
        previous_version: version that a rollback leads to after; None where there is none, and in
            entries of before it was kept.
        anchor_version: of a promotion by the policy, the line's anchor after it (see
            `tasks.registry.anchor`); None in all others, and in entries of before it was kept.
        approval: ``approved`` or ``rejected`` by the person that `by` names, or ``rejected`` since
            nobody decided in time; empty where no approval was asked, or while it is awaited.
        run: of an entry that awaits approval, the Prefect flow run that waits; of a rollback or a
            promotion by a person, the one that did it; else empty.
        until: of such an entry, or of one that starts or advances a canary, up to when it waits,
            ISO 8601, UTC; else empty.
        step: of an entry of a canary, the step that it begins or ends, from 1; else 0.
        share: of the requests that the candidate answers in that step; else 0.
        login: of the person that decided, as MLflow knew it; empty where the policy decided, where
            MLflow keeps no users, and in entries of before it was kept.

    """

    line: str
    action: str
    from_version: int | None
    to_version: int | None
    candidate_version: int
    verdict: Verdict | None
    reason: str
    evidence: dict[str, str]
    by: str
    at: str
    previous_sha256: str
    previous_version: int | None = None
    anchor_version: int | None = None
    approval: str = ""
    run: str = ""
    until: str = ""
    step: int = 0
    share: float = 0.0
    login: str = ""

    @property
    def who(self) -> str:
        """Who decided, for a person: the login, and the name that was given where it is another."""
        return _who(self.login, self.by)


@dataclass(frozen=True)
class Reconciliation:
    """What became of aliases that were moved outside of the ledger.

    Attributes:
        decision: the ledger entry of it; None where aliases and ledger said the same.

    """

    line: str
    decision: LedgerEntry | None


@dataclass(frozen=True)
class AliasCheck:
    """What a look at the aliases between runs found, and what was done.

    Attributes:
        moved: what was moved outside of the ledger, in one sentence; empty where all agrees.
        seen: the versions under production and previous in MLflow, as they were found.
        by_ledger: the same by the ledger.
        done: ``restored``, ``accepted``, ``undecided`` (it waits for a person) or ``put back`` (by
            hand, before anything was decided); empty where all agrees.
        ledger_uri: address of the newest ledger entry after; empty where all agrees.

    """

    line: str
    moved: str = ""
    seen: tuple[int | None, int | None] = (None, None)
    by_ledger: tuple[int | None, int | None] = (None, None)
    done: str = ""
    ledger_uri: str = ""


def _who(login: str, by: str) -> str:
    return by if login in {"", by} else f"{login} ({by})"
