"""What each version of a line is, from a real ledger and a real registry."""

from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.ledger import REFUSED
from tasks.registry.transitions import record, settle
from tasks.registry.version_states import version_states
from tasks.reporting.run_tables import state_rows
from tests.faults.lines import new_line


def test_each_version_has_its_aliases_and_what_was_decided_last(
    store: ObjectStore, tracking: Tracking
) -> None:
    line = new_line("told-states", store, tracking, "++-")
    states = version_states(line.name, store=store, tracking=tracking)
    assert [(one.version, one.aliases, one.action) for one in states] == [
        (3, (), "refused"),
        (2, ("production", "staging"), "promoted"),
        (1, ("previous",), "promoted"),
    ]
    rows = state_rows(states)
    assert rows[1]["aliases"] == "production, staging"
    assert [row["verdict"] for row in rows] == ["", "", ""]  # of none was a policy asked here
    assert all(row["by"] == "policy" and row["at"].endswith(" UTC") for row in rows)
    # A version that somebody named by hand, and on which nothing was decided.
    version = line.add()
    tracking.set_alias(line.name, "candidate", version.version)
    newest = version_states(line.name, store=store, tracking=tracking)[0]
    assert (newest.version, newest.aliases, newest.action) == (4, ("candidate",), "")
    assert state_rows([newest])[0]["decision"] == "none"
    assert version_states("told-states-of-none", store=store, tracking=tracking) == ()


def test_a_person_who_decided_is_told_by_login(store: ObjectStore, tracking: Tracking) -> None:
    line = new_line("told-logins", store, tracking, "+")
    state, _ = settle(line.name, store, tracking)
    record(
        store, tracking, state, action=REFUSED, to_version=1, candidate=2, verdict=None,
        reason="not now", by="Ada", evidence={}, login="ada@example.org",
    )  # fmt: skip
    newest = version_states(line.name, store=store, tracking=tracking)[0]
    assert (newest.version, newest.by) == (2, "ada@example.org (Ada)")
