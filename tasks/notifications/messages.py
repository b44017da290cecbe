"""What is told of a line: one message for each decision, with a key that tells it from others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from infra.digests import digest_of
from infra.settings import without_passwords
from tasks.notifications.settings import EventName
from tasks.records.canary_outcome import CanaryOutcome, share_words
from tasks.records.registry import AliasCheck, Decision, LedgerEntry
from tasks.verdicts import Verdict

# Of a failed run's message; a chat shows no more, and the run's page has it whole.
MAX_REASON_CHARS: Final = 1_000
# The event of each decision on a candidate, by its name in the ledger; of others it was refused.
_EVENTS: Final[Mapping[str, EventName]] = {
    "promoted": "version.promoted",
    "canary started": "canary.started",
    "canary advanced": "canary.advanced",
    "canary stopped": "canary.stopped",
}


@dataclass(frozen=True)
class Message:
    """Something that is told once.

    Attributes:
        event: what it is of.
        line: the model line.
        key: tells this from others; the same of one decision, however often it is told.
        subject: one line.
        sentences: what more is to be known, a line each.
        links: address by what is to be seen there.
        version: in MLflow, where it is of one.
        verdict: of the policy, where it was asked.

    """

    event: EventName
    line: str
    key: str
    subject: str
    sentences: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None
    verdict: str = ""

    @property
    def body(self) -> str:
        """The text below the subject."""
        links = [f"{what}: {where}" for what, where in self.links.items() if where]
        return "\n".join([*self.sentences, *links])


def of_decision(decision: Decision, run_url: str) -> Message:
    """A candidate was promoted, is tried, or was refused; a refusal names the gates in its way."""
    judgement = decision.judgement
    blocked = [
        f"- {gate.metric} {gate.verdict.value}: {gate.reason}"
        for gate in judgement.gates
        if gate.verdict is not Verdict.PASS
    ]
    why = ("gates that blocked it:", *blocked) if blocked else (f"{decision.reason}.",)
    return Message(
        _EVENTS.get(decision.action, "version.refused"),
        decision.line,
        digest_of([decision.ledger_uri, decision.action]),
        f"{decision.line} version {decision.version} {decision.action}",
        (f"verdict: {judgement.verdict.value}", *why),
        {"report": decision.report_url, "version": decision.version_url, "run": run_url},
        decision.version,
        judgement.verdict.value,
    )


def of_canary(outcome: CanaryOutcome, run_url: str) -> Message | None:
    """A candidate that is tried goes on to its next step, is stopped, promoted or refused.

    Returns:
        None where nothing was decided.

    """
    decided = outcome.action in {*_EVENTS, "refused", "rejected"}
    if not decided:
        return None
    name = f"{outcome.line} version {outcome.version}"
    return Message(
        _EVENTS.get(outcome.action, "version.refused"),
        outcome.line,
        digest_of([outcome.ledger_uri, outcome.action]),
        f"{name} {outcome.action}",
        (f"{outcome.reason}.", f"step {outcome.step}: {share_words(outcome.share)}"),
        {
            "looks": outcome.page_url,
            "version": outcome.version_url,
            "report": outcome.report_url,
            "run": run_url,
        },
        outcome.version,
        outcome.verdict.value if outcome.verdict else "",
    )


def of_entry(entry: LedgerEntry, run_url: str) -> Message:
    """A person rolled production back, or promoted a version by their word."""
    rolled_back = entry.action == "rolled back"
    to = "no version" if entry.to_version is None else f"version {entry.to_version}"
    done = f"rolled back to {to}" if rolled_back else f"{to} promoted by {entry.who}"
    return Message(
        "production.rolled-back" if rolled_back else "version.promoted",
        entry.line,
        digest_of([entry.line, entry.action, entry.at, entry.previous_sha256]),
        f"{entry.line}: {done}",
        (
            f"by {entry.who}: {entry.reason}",
            f"in production before: {entry.from_version or 'no version'}",
        ),
        {"run": run_url},
        entry.to_version,
        entry.verdict.value if entry.verdict else "",
    )


def of_alias_check(found: AliasCheck, run_url: str) -> Message:
    """Somebody moved an alias in MLflow."""
    done = f"it was {found.done}"
    if found.done == "undecided":
        done = (
            f"nothing is promoted until somebody decides: `assayline reconcile {found.line} "
            "--restore` or `--accept`"
        )
    return Message(
        "registry.moved-outside",
        found.line,
        digest_of([found.ledger_uri, found.done]),
        f"{found.line}: production or previous was moved in MLflow ({found.done})",
        (f"{found.moved}.", done),
        {"run": run_url},
        found.seen[0],
    )


def of_ended_run(line: str, run_name: str, how: str, reason: str, key: str, url: str) -> Message:
    """A run of the line came to no end of its own.

    Args:
        line: the model line.
        run_name: of Prefect's.
        how: ``failed``, ``crashed`` or ``was cancelled``.
        reason: what its state says.
        key: of the run.
        url: its page.

    """
    told = without_passwords(reason)[:MAX_REASON_CHARS].strip() or "it gives no reason"
    event: EventName = "run.cancelled" if how == "was cancelled" else "run.failed"
    return Message(event, line, key, f"{line}: the run {run_name} {how}", (told,), {"run": url})


def of_drift(
    line: str,
    sentences: tuple[str, ...],
    key: str,
    links: Mapping[str, str],
    version: int | None = None,
) -> Message:
    """Requests or scored rows drifted from what the version in production was trained on.

    Args:
        line: the model line.
        sentences: what drifted, a line each.
        key: of the window and what was found in it.
        links: address by what is to be seen there.
        version: in production.

    """
    subject = f"{line}: drift of what production reads"
    return Message("drift.detected", line, key, subject, sentences, links, version)


def of_pending_approval(
    line: str, version: int, verdict: str, sentences: tuple[str, ...], links: Mapping[str, str]
) -> Message:
    """A candidate waits for a person's word.

    Args:
        line: the model line.
        version: the candidate's.
        verdict: of the policy.
        sentences: until when, and what to look at, a line each.
        links: address by what is to be seen there: the page of the run to approve it on.

    """
    return Message(
        "approval.pending",
        line,
        digest_of([line, version, "approval", dict(links)]),
        f"{line} version {version} waits for approval",
        (f"verdict: {verdict}", *sentences),
        links,
        version,
        verdict,
    )


def of_closed_request(entry: LedgerEntry, run_url: str) -> Message:
    """A candidate waits for a person no more: its time is over, or its run has ended."""
    return Message(
        "version.refused",
        entry.line,
        digest_of([entry.line, entry.action, entry.at, entry.previous_sha256]),
        f"{entry.line} version {entry.candidate_version} {entry.action}",
        (f"{entry.reason}.", f"in production as before: {entry.to_version or 'no version'}"),
        {"run": run_url},
        entry.candidate_version,
        entry.verdict.value if entry.verdict else "",
    )
