"""The commands on one model line: run, promote, rollback, reconcile, ledger, why, report."""

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from flows.commands import console
from flows.commands.own_login import may_decide
from flows.commands.power_tables import show_forecast, show_power
from infra.errors import PromotionError
from infra.settings import Settings, load_settings
from infra.store import Artifact
from tasks.records.looks import Look
from tasks.records.registry import Decision, LedgerEntry, Reconciliation
from tasks.records.training import TrainingPlan

if TYPE_CHECKING:
    from flows.commands.runs import Outcome
    from infra.tracking import Tracking
    from tasks.registry.looks import KnownLook
    from tasks.stages.reasons import StageReason

EXIT_ERROR = 1
EXIT_REFUSED = 4
EXIT_AWAITS_APPROVAL = 6
EXIT_CANARY = 7
EXITS = {
    "promoted": 0,
    "awaiting approval": EXIT_AWAITS_APPROVAL,
    "canary started": EXIT_CANARY,
}
DIFFERENCES_SHOWN = 8

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for a script.")]
DryRun = Annotated[
    bool,
    Parameter(
        negative="",
        help="Check settings and data, and only estimate what training would take and what the "
        "gates can decide.",
    ),
]
Refresh = Annotated[
    bool,
    Parameter(
        negative="",
        help="Run every stage, whatever earlier runs kept; for when something kept was lost.",
    ),
]
Reason = Annotated[str, Parameter(help="Why; it stands in the ledger.")]
At = Annotated[
    datetime | None,
    Parameter(
        converter=lambda _, tokens: parse_moment(tokens[0].value),
        help="Say only which version was in production at this moment: 2026-11-01, or "
        "2026-11-01T12:00+01:00. UTC, as the ledger is, where no offset stands.",
    ),
]
Looks = Annotated[
    bool,
    Parameter(
        negative="",
        help="Show the looks at the held-out rows instead: which weights, how many rows, how many "
        "of them fresh, at which confidence they were judged, and what it came to.",
    ),
]
Restore = Annotated[
    bool, Parameter(negative="", help="Set production and previous as the ledger says.")
]
Accept = Annotated[
    bool,
    Parameter(
        negative="",
        help="Take what MLflow says into the ledger; the files must be those of the version.",
    ),
]
By = Annotated[
    str | None,
    Parameter(
        help="A name beside your login at MLflow, by which you decide; your user name if left out."
    ),
]


def run(
    config: Path, *, dry_run: DryRun = False, refresh: Refresh = False, as_json: AsJson = False
) -> int:
    """Retrain the line of a settings file through the worker, and show what comes of it.

    Ctrl-C leaves the run to its worker, and a second one cancels it. Exit code 0: production stands
    proven; 1: an error; 4: the candidate was refused or rejected; 5: the run was cancelled; 6: it
    waits for a person's approval; 7: the candidate passed, and is tried before it is promoted.

    Args:
        config: the line's YAML file, for example configs/bbc-news.yaml.
    """
    from flows.commands.runs import run_deployment
    from flows.config import load_config
    from flows.deployments import ensure_deployments

    checked = load_config(config)
    settings = load_settings()
    ensure_deployments(settings, checked.line, config)
    parameters = {"config": checked.model_dump(mode="json", exclude_unset=True)}
    progress = Console(stderr=as_json, highlight=False)
    deployment = f"retrain/{checked.line}"
    if dry_run:
        asked = parameters | {"dry_run": True}
        planned = run_deployment(
            settings, deployment, asked, TrainingPlan, progress, refresh=refresh
        ).result
        return show_planned(planned, as_json=as_json)
    outcome = run_deployment(settings, deployment, parameters, Decision, progress, refresh=refresh)
    return show_decided(settings, outcome, as_json=as_json)


def show_planned(plan: TrainingPlan, *, as_json: bool) -> int:
    """Show what a dry run estimated; returns the exit code."""
    console.show_json(asdict(plan)) if as_json else _show_plan(plan)
    return 0


def show_decided(settings: Settings, outcome: "Outcome[Decision]", *, as_json: bool) -> int:
    """Show what a retraining came to; returns the exit code."""
    decision = outcome.result
    production = _registry(settings).aliases(decision.line).get("production")
    if as_json:
        console.show_json(
            asdict(decision)
            | {"unchanged": outcome.unchanged, "production": production, "run_url": outcome.url}
        )
    else:
        _show_decision(decision, outcome.url, production, same=outcome.unchanged)
    return EXITS.get(decision.action, EXIT_REFUSED)


def promote(
    line: str, version: int, *, reason: Reason, by: By = None, as_json: AsJson = False
) -> int:
    """Put a version in production by a person's word; it is load-tested, and recorded as such.

    Args:
        line: the model line.
        version: its number in MLflow.
    """
    parameters = {"line": line, "version": version, "by": by or getpass.getuser(), "reason": reason}
    return _move("promote", line, parameters, as_json=as_json)


def rollback(
    line: str, *, reason: Reason = "rolled back", by: By = None, as_json: AsJson = False
) -> int:
    """Put the version that was in production before back, after a load test.

    Args:
        line: the model line.
    """
    parameters = {"line": line, "by": by or getpass.getuser(), "reason": reason}
    return _move("rollback", line, parameters, as_json=as_json)


def reconcile(
    line: str,
    *,
    restore: Restore = False,
    accept: Accept = False,
    reason: Reason = "decided by hand",
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Decide on production or previous that somebody moved in MLflow; it is recorded as such.

    Args:
        line: the model line.
    """
    if restore == accept:
        raise PromotionError(
            f"say what is to be: `assayline reconcile {line} --restore` sets the aliases as the "
            "ledger says, --accept takes what MLflow says into the ledger"
        )
    from flows.commands.runs import run_deployment

    how = "restore" if restore else "accept"
    decided = {"on_outside_move": how, "by": by or getpass.getuser(), "reason": reason}
    settings = load_settings()
    outcome = run_deployment(
        settings,
        f"reconcile/{line}",
        {"line": line, **decided},
        Reconciliation,
        Console(stderr=as_json, highlight=False),
        confirm=may_decide(settings, line, f"reconcile {line}"),
    )
    decision = outcome.result.decision
    if as_json:
        console.show_json(asdict(outcome.result))
    elif decision is None:
        console.say(f"the aliases of {line} are what its ledger says; nothing was to be decided")
    else:
        _show_entry(decision)
    return 0


def ledger(line: str, *, at: At = None, looks: Looks = False, as_json: AsJson = False) -> int:
    """Show who was production when, why, and by whose word; the chain of entries is verified.

    Exit code 0: every entry is there and as it was written, and the aliases are what it says; 1:
    one of these is not so, or an error.

    Args:
        line: the model line.
    """
    from infra.store import ObjectStore
    from tasks.registry.audit import audit_ledger
    from tasks.registry.ledger import production_at

    if looks and at:
        raise PromotionError(
            f"--looks and --at are two questions: `assayline ledger {line} --looks` lists the "
            "looks with the time of each, --at says what was in production at a moment"
        )
    settings = load_settings()
    if looks:
        return _show_looks(settings, line, as_json=as_json)
    audit = audit_ledger(line, store=ObjectStore(settings), tracking=_registry(settings))
    entries = audit.entries
    if at:
        _show_production_at(line, at, production_at(entries, at), as_json=as_json)
    elif as_json:
        console.show_json([asdict(entry) for entry in entries])
    elif not entries:
        console.say(f"{line} has no ledger yet; `assayline run CONFIG` writes its first entry")
    else:
        _show_entries(entries)
        for remark in audit.remarks:
            console.say(remark, "quiet")
    if audit.disagreement and not at:
        console.show_error(PromotionError(audit.disagreement))
        return EXIT_ERROR
    return 0


def parse_moment(text: str) -> datetime:
    """A date, or a date and time, as a moment that has been; UTC where no offset stands.

    Raises:
        ValueError: it is none, or is yet to come; with what would be right.

    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a date nor a date and time; write 2026-11-01 or "
            "2026-11-01T12:00+01:00"
        ) from None
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > datetime.now(UTC):
        raise ValueError(f"{text!r} is yet to come; leave --at out to see who is in production")
    return moment


def _show_entries(entries: Sequence[LedgerEntry]) -> None:
    """What happened, that nothing of it was changed, and which version is the anchor."""
    from tasks.registry.anchor import anchor_after

    console.show_table(
        ("when", "what", "version", "production", "by", "why"),
        [
            (
                entry.at[:19].replace("T", " "),
                f"{entry.action}{_canary_step(entry)}",
                f"v{entry.candidate_version}",
                f"{_name(entry.from_version)} → {_name(entry.to_version)}",
                entry.who,
                entry.reason,
            )
            for entry in entries
        ],
    )
    whole = f"{len(entries)} of {len(entries)} entries are as they were written"
    console.say(f"the hash chain is whole: {whole}")
    if anchor := anchor_after(entries):
        console.say(f"the anchor, which candidates are held against, is version {anchor}")


def _canary_step(entry: LedgerEntry) -> str:
    """The step of a canary, and what of the requests its candidate answers."""
    if not entry.step:
        return ""
    return f" (step {entry.step}, {f'{entry.share:.0%}' if entry.share else 'shadow'})"


def _show_looks(settings: Settings, line: str, *, as_json: bool) -> int:
    from infra.store import ObjectStore
    from tasks.registry.looks import next_since_pass, read_looks
    from tasks.reporting.number_format import percent
    from tasks.verdicts import ALPHA, look_share

    store, tracking = ObjectStore(settings), _registry(settings)
    known = read_looks(line, store=store, tracking=tracking)
    if as_json:
        console.show_json([asdict(one) for one in known])
        return 0
    if not known:
        console.say(f"no candidate of {line} was evaluated yet")
        return 0
    console.show_table(
        ("look", "when", "weights", "rows", "fresh", "since a pass", "confidence", "verdict"),
        [_look_cells(one, one.look) for one in known if one.look],
    )
    if newest := known[-1].look:
        since, _ = next_since_pass(line, newest.held_out, store=store, tracking=tracking)
        confidence = percent(1 - ALPHA / look_share(since))
        console.say(
            f"the next candidate on the rows of look {newest.number} is judged at {confidence} "
            f"(look {since} since a pass); where policy.looks.spending is none, this one and those "
            "above are at 95%"
        )
    if lost := [str(one.number) for one in known if one.look is None]:
        told = f"of {', '.join(lost)} the record is missing or was changed"
        console.say(f"{told}: each counts as a look at every row", "bad")
    return 0


def _look_cells(known: "KnownLook", look: Look) -> tuple[str, ...]:
    from tasks.reporting.number_format import percent
    from tasks.verdicts import ALPHA, look_share

    return (
        str(look.number),
        look.at[:19].replace("T", " "),
        look.weights_sha256[:12],
        f"{look.held_out.rows:,}",
        f"{look.fresh.rows:,}",
        str(look.since_pass),
        percent(1 - ALPHA / look_share(look.since_pass)),
        f"training of {look.recipe[:12]}"
        if look.recipe
        else ", ".join(known.verdicts) or "not judged",
    )


def _show_production_at(line: str, at: datetime, version: int | None, *, as_json: bool) -> None:
    if as_json:
        console.show_json({"line": line, "at": at.isoformat(), "production": version})
        return
    who = "no version" if version is None else f"version {version}"
    console.say(f"{who} of {line} was in production at {at.isoformat()}")


def why(line: str, *, as_json: AsJson = False) -> int:
    """Show what made each stage of a line run when it last did, by name.

    A stage is skipped when its inputs, settings, code and libraries are those of an earlier run.

    Args:
        line: the model line.
    """
    from infra.store import ObjectStore
    from tasks.stages.reasons import reasons

    found = reasons(line, ObjectStore(load_settings()))
    if as_json:
        console.show_json([asdict(reason) for reason in found])
    elif not found:
        console.say(f"no stage of {line} has run yet; `assayline run CONFIG` runs them")
    else:
        for reason in found:
            _show_reason(reason)
    return 0


def _show_reason(reason: "StageReason") -> None:
    console.say(f"{reason.stage:<22} {reason.at[:19].replace('T', ' ')}", "good")
    for difference in reason.differences[:DIFFERENCES_SHOWN]:
        console.say(f"    {difference}")
    if (more := len(reason.differences) - DIFFERENCES_SHOWN) > 0:
        console.say(f"    and {more} more; --json shows all", "quiet")


def report(line: str, *, version: int | None = None, as_json: AsJson = False) -> int:
    """Fetch the HTML report of a judged version, and say where it is.

    Args:
        line: the model line.
        version: its number in MLflow; the one that was judged last if left out.
    """
    from infra.store import ObjectStore
    from tasks.registry.ledger import read_ledger

    settings = load_settings()
    store = ObjectStore(settings)
    judged = [
        entry
        for entry in read_ledger(store, line, _registry(settings))
        if "report" in entry.evidence and version in {None, entry.candidate_version}
    ]
    if not judged:
        which = f"version {version} of {line}" if version else line
        raise PromotionError(f"{which} has no report; `assayline ledger {line}` lists what has one")
    entry = judged[-1]
    name = f"{line}-v{entry.candidate_version}.html"
    page = settings.home.absolute() / "reports" / name
    sha256 = entry.evidence["report"]
    store.get_file(Artifact(store.uri("reports", f"{sha256}.html"), sha256, 0), page)
    if as_json:
        console.show_json({"version": entry.candidate_version, "file": str(page), "sha256": sha256})
    else:
        console.say(f"version {entry.candidate_version} of {line}, {entry.action}: {page}")
    return 0


def _move(flow: str, line: str, parameters: Mapping[str, object], *, as_json: bool) -> int:
    """Start a flow that moves aliases by a person's word, and show its ledger entry."""
    from flows.commands.runs import run_deployment

    progress = Console(stderr=as_json, highlight=False)
    settings = load_settings()
    outcome = run_deployment(
        settings, f"{flow}/{line}", parameters, LedgerEntry, progress,
        confirm=may_decide(settings, line, f"{flow} {line}"),
    )  # fmt: skip
    entry = outcome.result
    if as_json:
        console.show_json(asdict(entry))
    else:
        _show_entry(entry)
    return 0


def _show_entry(entry: LedgerEntry) -> None:
    console.say(
        f"{entry.action}: {entry.line} {_name(entry.from_version)} → {_name(entry.to_version)} "
        f"is in production, by {entry.who}: {entry.reason}",
        "good",
    )


def _show_decision(decision: Decision, run_url: str, production: int | None, *, same: bool) -> None:
    from tasks.reporting.gates import gate_table
    from tasks.reporting.looks import look_sentences

    line = decision.line
    console.say()
    console.show_table(
        ("", "gate", "number", "interval", "at", "threshold", "verdict"),
        [
            (r.symbol, r.metric, r.number, r.interval, r.confidence, r.threshold, r.verdict)
            for r in gate_table(decision.judgement)
        ],
    )
    for note in (*decision.judgement.notes, *look_sentences(decision.judgement)):
        console.say(note, "quiet")
    if why := decision.judgement.fairness_not_gated:
        console.say(f"fairness was not gated: {why}", "bad")
    show_power(decision.judgement.power)
    console.say()
    style: console.Style = "good" if decision.action in {"promoted", "canary started"} else "bad"
    if same:
        console.say("nothing changed since the last run, so nothing was repeated")
    console.say(f"version {decision.version} {decision.action}: {decision.reason}", style)
    if production is None:
        console.say(f"{line} has no version in production", "bad")
    else:
        stays = " stays" if same or production != decision.version else ""
        console.say(f"models:/{line}@production{stays} version {production}", "good")
    for what, where in (
        ("run", run_url),
        ("version", decision.version_url),
        ("report", decision.report_url),
    ):
        console.say(f"{what:<8} {where}")


def _show_plan(plan: TrainingPlan) -> None:
    """What a training would come to."""
    rates = [f"{name} {rate:,.0f} tokens a second" for name, rate in plan.measured.items()]
    chosen = [f"{name} {value}" for name, value in plan.choices.items()]
    workers = "" if plan.workers == 1 else f", {plan.workers} workers"
    console.say()
    console.show_table(
        ("a training would take", ""),
        [
            ("parameters", f"{plan.parameters:,}"),
            ("that learn", f"{plan.learning:,} ({plan.learning_share:.1%})"),
            ("examples", f"{plan.rows:,}"),
            ("optimizer steps", f"{plan.steps:,}"),
            ("tokens", f"{plan.tokens:,}"),
            ("device", f"{plan.device}{workers}"),
            ("memory", f"about {plan.memory_mb:,.0f} MB"),
            ("time", f"about {plan.training_s / 60:.1f} min"),
            ("ways", ", ".join(chosen)),
            ("measured", ", ".join(rates)),
        ],
    )
    show_forecast(plan.forecast)
    console.say("nothing was trained")


def _registry(settings: Settings) -> "Tracking":
    from infra.tracking import Tracking

    return Tracking(settings)


def _name(version: int | None) -> str:
    return f"v{version}" if version is not None else "none"
