"""Processes that try a candidate and are killed or sleep, and aliases that are moved meanwhile."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import Version
from tasks.registry.audit import audit_ledger, disagreement
from tasks.registry.canary import canary_of
from tasks.registry.reconciliation import reconcile_line
from tasks.verdicts import Verdict
from tests.faults.lines import (
    Line,
    fork,
    kept_canary_policy,
    new_line,
    stop_self,
    wait_for_exit,
    wait_until_stopped,
)
from tests.faults.test_ledger_races import before, check_canaries, kill_self

# Each write of an entry of a canary, in its order; what comes before the last of them is repeated.
WRITES = (
    ("store", "put_bytes"), ("tracking", "write_once"), ("tracking", "mark"),
    ("tracking", "set_tags"), ("tracking", "unmark"),
)  # fmt: skip


def trying(name: str, store: ObjectStore, tracking: Tracking) -> tuple[Line, Version, str]:
    """A line with two promoted versions, a third one, and the policy that it is tried by."""
    line = new_line(name, store, tracking, "++")
    return line, line.add(), kept_canary_policy(store)


def is_tried(line: Line) -> int | None:
    """The step that a server knows of; None where the candidate is asked nothing."""
    step = canary_of(line.name, store=line.store, tracking=line.tracking)
    return step.number if step else None


def killed_at(owner: str, name: str, work: Callable[[Line], Any]) -> Callable[[Line], Any]:
    def killed(line: Line) -> Any:
        before({"store": line.store, "tracking": line.tracking}[owner], name, 1, kill_self)
        return work(line)

    return killed


def test_an_alias_that_is_moved_during_a_canary_ends_it_and_the_ledger_says_why(
    store: ObjectStore, tracking: Tracking
) -> None:
    line, version, policy = trying("canary-alias-moved", store, tracking)
    line.start_canary(version, policy)
    assert is_tried(line) == 1
    # Somebody promotes the candidate in MLflow's page, past its canary.
    tracking._client.set_registered_model_alias(line.name, "production", str(version.version))
    assert is_tried(line) is None
    waits = line.look(Verdict.PASS)
    assert waits is not None
    assert waits.action == "undecided"
    assert "assayline reconcile" in waits.reason
    reconcile_line(line.name, "restore", "Ada", "not yet", store=store, tracking=tracking)
    stopped = line.look(Verdict.PASS)
    assert stopped is not None
    assert stopped.action == "canary stopped"
    assert "production was moved from version 2 to version 3 while the canary" in stopped.reason
    assert line.aliases == {"production": 2, "previous": 1, "staging": 2}
    assert [action for action, _, _ in line.moves[2:]] == [
        "canary started", "moved outside", "restored", "canary stopped",
    ]  # fmt: skip
    assert line.look(Verdict.PASS) is None
    line.start_canary(version, policy)
    assert is_tried(line) == 1
    check_canaries(line)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_at_any_write_of_a_canary_is_repeated_without_a_second_entry(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings, tmp_path: Path
) -> None:
    for place, (owner, name) in enumerate(WRITES):
        line, version, policy = trying(f"canary-killed-{place}", store, tracking)

        def begins(one: Line, version: Version = version, policy: str = policy) -> None:
            one.start_canary(version, policy)

        def looks(one: Line) -> None:
            one.look(Verdict.PASS)

        for entries, work in enumerate((begins, looks, looks), start=3):
            died = fork(mlflow_settings, line.name, killed_at(owner, name, work), tmp_path / "told")
            assert wait_for_exit(died) == -signal.SIGKILL
            line.bring_in_order()
            if len(line.ledger) < entries:  # it died before its entry counted
                work(line)
            elif work is begins:  # the run of the line is repeated, and finds its canary
                begins(line)
            assert len(line.ledger) == entries
        actions = [action for action, _, _ in line.moves[2:]]
        assert actions == ["canary started", "canary advanced", "promoted"], (owner, name)
        assert line.aliases["production"] == version.version
        assert disagreement(line.name, store=store, tracking=tracking) == ""


def test_a_look_that_slept_while_the_canary_was_stopped_promotes_nothing(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings, tmp_path: Path
) -> None:
    """It sleeps right before its entry is set; meanwhile harm was seen."""
    line, version, policy = trying("canary-asleep", store, tracking)
    line.start_canary(version, policy)
    line.look(Verdict.PASS)

    def work(one: Line) -> Any:
        before(one.tracking, "write_once", 1, stop_self)
        return one.look(Verdict.PASS)

    asleep = fork(mlflow_settings, line.name, work, tmp_path / "told")
    wait_until_stopped(asleep)
    stopped = line.look(Verdict.FAIL)
    assert stopped is not None
    assert stopped.action == "canary stopped"
    os.kill(asleep, signal.SIGCONT)
    assert wait_for_exit(asleep) == 0
    said = json.loads((tmp_path / "told").read_text())
    assert said["kind"] == "OvertakenError"
    assert f"canary stopped version {version.version}" in said["error"]
    assert line.aliases["production"] == 2
    assert audit_ledger(line.name, store=store, tracking=tracking).disagreement == ""
    check_canaries(line)
