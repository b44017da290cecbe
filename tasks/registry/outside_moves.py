"""What is said of aliases that were moved in MLflow, past the ledger."""

from collections.abc import Iterator
from typing import Final

from infra.tracking import Tracking
from tasks.registry.ledger import MOVED_OUTSIDE
from tasks.registry.line_state import LineState, Served
from tasks.registry.version_tags import ENTRY_TAG, PREVIOUS, PRODUCTION

# MLflow keeps no record of who moves an alias.
UNKNOWN: Final = "unknown"


def describe(state: LineState, by_ledger: Served, tracking: Tracking) -> str:
    """One sentence: what each alias names, what the ledger says, and what MLflow knows of it."""
    changes = [
        f"{alias} names {_version(seen)} in MLflow, and by the ledger it is {_version(known)}"
        for alias, seen, known in zip((PRODUCTION, PREVIOUS), state.aliases, by_ledger, strict=True)
        if seen != known
    ]
    return "; ".join([*changes, *_known(state, tracking)])


def refusal(state: LineState, tracking: Tracking) -> str:
    """What is said where nobody has decided on a move outside yet, with the ways out."""
    line, what = state.line, describe(state, state.agreed.served, tracking)
    return (
        f"the aliases of {line} were moved outside of the ledger: {what}. "
        f"Nothing is promoted until that is decided: `assayline reconcile {line} --restore` sets "
        f"them as the ledger says, `assayline reconcile {line} --accept` takes what MLflow says "
        "into the ledger; registry.on_outside_move decides it for each run of the line"
    )


def _known(state: LineState, tracking: Tracking) -> Iterator[str]:
    line, seen = state.line, state.aliases[0]
    if not tracking.known_versions(line):
        yield _gone(state, tracking)
        return
    for number in dict.fromkeys((*state.outcome.served, *state.agreed.served)):
        if number is not None and tracking.known_version(line, number) is None:
            yield f"MLflow no longer has version {number}: it was deleted there"
    if seen is None or seen == state.agreed.production:
        return
    version = tracking.known_version(line, seen)
    if version is None:
        yield f"MLflow has no version {seen}, though the alias names it"
        return
    yield (
        f"MLflow keeps no record of who moved an alias; version {seen} was registered "
        f"{f'by {version.made_by} ' if version.made_by else ''}at {version.made_at} and last "
        f"changed at {version.changed_at}"
    )


def _gone(state: LineState, tracking: Tracking) -> str:
    """Of a registered model that was deleted or renamed; its versions keep their tags."""
    decided = [one.uri for one in state.history if one.entry.action != MOVED_OUTSIDE]
    named = tracking.lines_with_tag(ENTRY_TAG, decided[-1]) if decided else []
    where = f"; its versions are under the name {', '.join(named)}: rename it back" if named else ""
    return f"MLflow has no registered model {state.line} with versions any more{where}"


def _version(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"
