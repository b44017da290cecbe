"""The command `assayline canary`: the candidate that is tried on served requests."""

import getpass
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from flows.commands import console
from flows.commands.line_commands import AsJson, By
from flows.commands.own_login import may_decide
from infra.errors import PromotionError
from infra.settings import Settings, load_settings
from tasks.records.canary_outcome import CanaryOutcome, share_words

if TYPE_CHECKING:
    from tasks.records.canary import CanaryLook, CanaryStep
    from tasks.registry.canary import UnderWay

Once = Annotated[
    bool, Parameter(negative="", help="Look at it now, through the worker, and decide on it.")
]
Stop = Annotated[
    bool, Parameter(negative="", help="Stop it by your word; the candidate is not promoted.")
]
Reason = Annotated[
    str | None, Parameter(help="Why it is stopped; it stands in the ledger. Asked for by --stop.")
]


def canary(
    line: str,
    *,
    once: Once = False,
    stop: Stop = False,
    reason: Reason = None,
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Show the candidate of a line that is tried on served requests, or decide on it now.

    Without --once or --stop: the step, what it waits for, and what the newest look saw.

    Args:
        line: the model line.
    """
    if once and stop:
        raise PromotionError("--once and --stop are two things; leave one of them out")
    if stop != bool(reason and reason.strip()):
        raise PromotionError(
            f"a canary is stopped with a reason: `assayline canary {line} --stop --reason WHY`; "
            f"seen: --stop {'given' if stop else 'not given'}, --reason {reason or 'not given'}"
        )
    if once:
        return _start(line, {}, as_json=as_json)
    if stop:
        said = {"stop": True, "by": by or getpass.getuser(), "reason": reason}
        return _start(line, said, as_json=as_json)
    return _show_now(line, load_settings(), as_json=as_json)


def canaries_now(settings: Settings, lines: Mapping[str, object]) -> dict[str, "CanaryStep"]:
    """The canary of each line that has one; a ledger that cannot be read is told elsewhere."""
    from infra.errors import AssaylineError
    from infra.store import ObjectStore
    from infra.tracking import Tracking
    from tasks.registry.canary import canary_of

    found = {}
    for line in lines:
        try:
            step = canary_of(line, store=ObjectStore(settings), tracking=Tracking(settings))
        except AssaylineError:
            continue
        if step:
            found[line] = step
    return found


def canary_words(step: "CanaryStep") -> str:
    """A canary in one line, for `assayline status`."""
    return (
        f"version {step.version} is tried beside version {step.production}: step {step.number} "
        f"since {step.since[:16].replace('T', ' ')} UTC, {share_words(step.share)}"
    )


def _start(line: str, parameters: Mapping[str, object], *, as_json: bool) -> int:
    from flows.commands.runs import run_deployment

    progress, settings = Console(stderr=as_json, highlight=False), load_settings()
    is_decision = "stop" in parameters
    outcome = run_deployment(
        settings, f"canary/{line}", {"line": line, **parameters}, CanaryOutcome, progress,
        confirm=may_decide(settings, line, f"stop the canary of {line}") if is_decision else None,
    )  # fmt: skip
    show_outcome(outcome.result, outcome.url, as_json=as_json)
    return 0


def show_outcome(found: CanaryOutcome, run_url: str, *, as_json: bool) -> None:
    """Show what a run that looks at a canary came to."""
    if as_json:
        console.show_json(asdict(found) | {"run_url": run_url})
        return
    if found.version is None:
        console.say(found.reason)
        return
    good = found.action in {"promoted", "canary advanced", "goes on"}
    name = f"canary of {found.line} version {found.version}"
    console.say(f"{name}: {found.action}: {found.reason}", "good" if good else "bad")
    console.say(f"step {found.step}: {share_words(found.share)}")
    for what, where in {"run": run_url, "looks": found.page_url}.items():
        if where:
            console.say(f"{what:<8} {where}")


def _show_now(line: str, settings: Settings, *, as_json: bool) -> int:
    """Show a canary by the ledger, and what the newest look at it saw; nothing is written."""
    from infra.store import ObjectStore
    from infra.tracking import Tracking
    from tasks.registry.canary import canary_under_way
    from tasks.registry.canary_looks import newest_look

    store = ObjectStore(settings)
    found = canary_under_way(line, store=store, tracking=Tracking(settings))
    look = newest_look(line, store)
    if found is None or (look and look.step.ledger_uri != found.step.ledger_uri):
        look = None
    if as_json:
        console.show_json(
            {
                "step": asdict(found.step) if found else None,
                "waits_for": list(found.sentences) if found else [],
                "look": asdict(look) if look else None,
            }
        )
    elif found is None:
        console.say(
            f"no candidate of {line} is tried; `assayline ledger {line}` shows what became of the "
            "last one",
            "quiet",
        )
    else:
        _show_step(found, look)
    return 0


def _show_step(found: "UnderWay", look: "CanaryLook | None") -> None:
    from tasks.reporting.canary_summary import requests_words
    from tasks.reporting.gates import gate_row

    step = found.step
    console.say(
        f"version {step.version} of {step.line} is tried beside version {step.production}, which "
        "stays in production"
    )
    for sentence in found.sentences:
        console.say(sentence)
    if look is None:
        console.say("nothing was looked at in this step yet; --once does it now", "quiet")
        return
    rows = [gate_row(gate) for gate in look.gates]
    console.show_table(
        ("", "gate", "number", "confidence sequence", "threshold", "n", "verdict"),
        [(r.symbol, r.metric, r.number, r.interval, r.threshold, r.n, r.verdict) for r in rows],
    )
    console.say(f"looked at {look.at[:16].replace('T', ' ')} UTC: {requests_words(look)}")
    console.say(f"{look.verdict.value}: {look.reason}")
