"""Processes that move one line at the same moment, sleep, or are killed between two requests."""

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import LedgerEntry, Version
from tasks.registry.audit import audit_ledger, disagreement
from tasks.registry.manual_promotion import override_promotion_of, roll_back_line
from tasks.registry.reconciliation import reconcile_line
from tasks.verdicts import Verdict
from tests.faults.lines import (
    Line,
    fork,
    kept_canary_policy,
    new_line,
    old_style_line,
    stop_self,
    wait_for_exit,
    wait_until_stopped,
)

Outcome = dict[str, Any]


def before(owner: object, name: str, at: int, what: Callable[[], None]) -> None:
    """Do something right before the call of that number; this process alone."""
    original, calls = getattr(owner, name), Counter[str]()

    def guarded(*args: object, **kwargs: object) -> object:
        calls[name] += 1
        if calls[name] == at:
            what()
        return original(*args, **kwargs)

    setattr(owner, name, guarded)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def told(tmp_path: Path) -> Callable[[int], Path]:
    return lambda number: tmp_path / f"{number}.json"


def rolls_back(owner: str, name: str, at: int, what: Callable[[], None]) -> Callable[[Line], Any]:
    """A rollback, with something that happens right before one of its requests."""

    def work(line: Line) -> LedgerEntry:
        before({"store": line.store, "tracking": line.tracking}[owner], name, at, what)
        return line.roll_back("Bob", "in doubt")

    return work


# Killed


def test_a_loser_that_is_killed_before_it_takes_its_entry_back_is_in_nobodys_way(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings, tmp_path: Path
) -> None:
    line = new_line("killed-loser", store, tracking, "++")

    def work(one: Line) -> LedgerEntry:
        put = one.store.put_bytes

        def put_late_and_die(uri: str, data: bytes) -> None:
            stop_self()
            put(uri, data)
            kill_self()

        one.store.put_bytes = put_late_and_die  # type: ignore[method-assign,assignment]
        return one.roll_back("Bob", "in doubt")

    loser = fork(mlflow_settings, line.name, work, tmp_path / "told")
    wait_until_stopped(loser)
    assert line.promote(line.add()).action == "promoted"
    os.kill(loser, signal.SIGCONT)
    assert wait_for_exit(loser) == -signal.SIGKILL
    assert len(line.objects) == 4
    assert [to for _, _, to in line.moves] == [1, 2, 3]
    audit = audit_ledger(line.name, store=store, tracking=tracking)
    assert any("do not count" in remark for remark in audit.remarks)
    assert line.promote(line.add()).action == "promoted"
    assert line.aliases == {"production": 4, "previous": 3, "staging": 4}
    assert sum("/aside/" in uri for uri in line.objects) == 1
    audit = audit_ledger(line.name, store=store, tracking=tracking)
    assert audit.remarks == (
        f"1 entries that never counted lie in {store.uri('ledger', line.name, 'aside')}",
    )


@pytest.mark.slow
def test_an_entry_whose_writer_died_before_the_registry_knew_it_never_counts(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings, tmp_path: Path
) -> None:
    line = new_line("killed-early", store, tracking, "++")
    work = rolls_back("tracking", "write_once", 1, kill_self)
    died = fork(mlflow_settings, line.name, work, tmp_path / "told")
    assert wait_for_exit(died) == -signal.SIGKILL
    assert len(line.objects) == 3
    assert line.promote(line.add()).action == "promoted"
    assert [to for _, _, to in line.moves] == [1, 2, 3]
    line.bring_in_order()
    assert sum("/aside/" in uri for uri in line.objects) == 1


@pytest.mark.slow
def test_a_line_that_an_earlier_release_left_with_two_entries_of_one_number_goes_on(
    store: ObjectStore, tracking: Tracking
) -> None:
    """The loser of before died, and the line was blocked with the advice to restore a backup."""
    two = [(None, 1), (1, 2)]
    line = old_style_line("two-of-one-number", store, tracking, two, last_twice=True)
    assert line.promote(line.add()).action == "promoted"
    assert [(entry.to_version, entry.by) for entry in line.ledger] == [
        (1, "policy"), (2, "policy"), (3, "policy"),
    ]  # fmt: skip
    line.bring_in_order()
    assert sum("/aside/" in uri for uri in line.objects) == 1


# Asleep


def test_a_process_that_wakes_after_others_moved_on_leaves_no_stale_alias(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings, tmp_path: Path
) -> None:
    """It sleeps between its entry and the first alias; others finish it and promote another."""
    line = new_line("asleep", store, tracking, "++")
    work = rolls_back("tracking", "set_alias", 1, stop_self)
    asleep = fork(mlflow_settings, line.name, work, tmp_path / "told")
    wait_until_stopped(asleep)
    assert line.moves[2:] == [("rolled back", 2, 1)]
    assert line.promote(line.add()).action == "promoted"
    after = {"production": 3, "previous": 1, "staging": 3}
    assert line.aliases == after
    os.kill(asleep, signal.SIGCONT)
    assert wait_for_exit(asleep) == 0
    assert line.aliases == after
    assert disagreement(line.name, store=store, tracking=tracking) == ""
    # It is told of its own entry, which stood and was carried out.
    assert json.loads((tmp_path / "told").read_text())["entry"]["by"] == "Bob"
    assert line.moves[2:] == [("rolled back", 2, 1), ("promoted", 1, 3)]


@pytest.mark.slow
def test_a_process_that_wakes_before_it_looked_moves_nothing(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings, tmp_path: Path
) -> None:
    """It sleeps between its entry and the look whether that is still the newest one."""
    line = new_line("asleep-early", store, tracking, "++")
    work = rolls_back("tracking", "mark", 1, stop_self)
    asleep = fork(mlflow_settings, line.name, work, tmp_path / "told")
    wait_until_stopped(asleep)
    assert line.promote(line.add()).action == "promoted"
    before_it_woke = line.aliases
    os.kill(asleep, signal.SIGCONT)
    assert wait_for_exit(asleep) == 0
    assert line.aliases == before_it_woke


def test_what_a_woken_process_left_that_was_killed_is_mended_by_the_next_look(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings, tmp_path: Path
) -> None:
    """It wakes, writes its stale aliases, and dies before it looks again: no hand did that."""
    line = new_line("asleep-killed", store, tracking, "++")

    def work(one: Line) -> LedgerEntry:
        before(one.tracking, "set_alias", 1, stop_self)
        original = one.tracking.set_alias

        def set_and_die(name: str, alias: str, version: int) -> None:
            original(name, alias, version)
            if alias == "production":
                kill_self()

        one.tracking.set_alias = set_and_die  # type: ignore[method-assign]
        return one.roll_back("Bob", "in doubt")

    asleep = fork(mlflow_settings, line.name, work, tmp_path / "told")
    wait_until_stopped(asleep)
    assert line.promote(line.add()).action == "promoted"
    os.kill(asleep, signal.SIGCONT)
    assert wait_for_exit(asleep) == -signal.SIGKILL
    assert line.aliases["production"] == 1
    assert "slept or was killed" in disagreement(line.name, store=store, tracking=tracking)
    line.bring_in_order()
    assert line.aliases == {"production": 3, "previous": 1, "staging": 3}
    assert disagreement(line.name, store=store, tracking=tracking) == ""
    assert [action for action, _, _ in line.moves] == [
        "promoted", "promoted", "rolled back", "promoted",
    ]  # fmt: skip


# At the same moment


def race(
    line: Line, settings: Settings, told: Callable[[int], Path], processes: int, operations: int
) -> list[list[Outcome]]:
    """Each process promotes by hand and rolls back in turn; what each call was told."""

    def worker(number: int) -> Callable[[Line], Any]:
        def work(one: Line) -> None:
            outcomes = []
            for operation in range(operations):
                by, reason = f"person {number}", f"operation {operation}"
                outcomes.append(_attempt(one, number + operation, by, reason))
            told(number + processes).write_text(json.dumps(outcomes))

        return work

    children = [
        fork(settings, line.name, worker(number), told(number)) for number in range(processes)
    ]
    assert [wait_for_exit(child, timeout_s=1200) for child in children] == [0] * processes
    return [json.loads(told(number + processes).read_text()) for number in range(processes)]


def _attempt(line: Line, turn: int, by: str, reason: str) -> Outcome:
    from infra.errors import AssaylineError

    try:
        back = turn % 2
        entry = line.roll_back(by, reason) if back else line.override(1 + turn % 4, by, reason)
    except AssaylineError as error:
        return {"by": by, "reason": reason, "error": str(error)}
    return {"by": by, "reason": reason, "entry": [entry.by, entry.reason]}


TRUTHS = (
    "was recorded at the same moment",
    "was under way and is finished now",
    "is in production already",
    "has no previous version to roll back to",
    "is moved by others at this moment",
)


def check_race(line: Line, outcomes: list[list[Outcome]]) -> Counter[str]:
    """Each caller was told the truth of its own request, and the line is whole.

    Returns:
        How often what was told.

    """
    told = Counter[str]()
    recorded = Counter((entry.by, entry.reason) for entry in line.ledger if entry.by != "policy")
    assert set(recorded.values()) <= {1}
    for outcome in (one for of_one in outcomes for one in of_one):
        own = outcome["by"], outcome["reason"]
        if "entry" in outcome:
            assert tuple(outcome["entry"]) == own
            assert recorded[own] == 1
            told["recorded"] += 1
        else:
            (truth,) = [one for one in TRUTHS if one in outcome["error"]] or [outcome["error"]]
            assert truth in TRUTHS, outcome["error"]
            assert recorded[own] == 0, outcome["error"]
            told[truth] += 1
    assert told["recorded"] == recorded.total()
    line.bring_in_order()
    audit = audit_ledger(line.name, store=line.store, tracking=line.tracking)
    assert audit.disagreement == ""
    return told


def test_each_of_several_that_move_at_once_learns_what_became_of_its_own_request(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings,
    told: Callable[[int], Path],
) -> None:  # fmt: skip
    line = new_line("race-small", store, tracking, "++++")
    outcomes = race(line, mlflow_settings, told, processes=3, operations=2)
    assert check_race(line, outcomes)["recorded"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_twenty_processes_and_a_hundred_transitions(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings,
    told: Callable[[int], Path],
) -> None:  # fmt: skip
    line = new_line("race-large", store, tracking, "++++")
    outcomes = race(line, mlflow_settings, told, processes=20, operations=5)
    seen = check_race(line, outcomes)
    print(dict(seen))
    assert sum(seen.values()) == 100
    assert seen["recorded"] >= 2


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_processes_that_are_killed_anywhere_leave_a_line_that_goes_on(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings,
    told: Callable[[int], Path],
) -> None:  # fmt: skip
    """One after another dies before each of its writes, while two others move the line."""
    line = new_line("race-killed", store, tracking, "++++")
    writes = (
        ("store", "put_bytes"), ("store", "get_bytes"), ("tracking", "write_once"),
        ("tracking", "mark"), ("tracking", "set_alias"), ("tracking", "set_tags"),
        ("tracking", "unmark"),
    )  # fmt: skip
    for number, (owner, name) in enumerate(writes):
        died = fork(mlflow_settings, line.name, rolls_back(owner, name, 1, kill_self), told(number))
        outcomes = race(line, mlflow_settings, lambda n, m=number: told(1000 + 10 * m + n), 2, 1)
        assert wait_for_exit(died) in {-signal.SIGKILL, 0}
        assert all("entry" in o or any(t in o["error"] for t in TRUTHS) for (o,) in outcomes)
        line.bring_in_order()
        assert disagreement(line.name, store=store, tracking=tracking) == ""
    assert audit_ledger(line.name, store=store, tracking=tracking).disagreement == ""


def check_canaries(line: Line) -> None:
    """One canary goes on at a time, each step once and in order, and none is left out."""
    going_on: tuple[int, int] | None = None
    for entry in line.ledger:
        own = going_on is not None and entry.candidate_version == going_on[0]
        if entry.action == "canary started":
            assert going_on is None, entry
            going_on = (entry.candidate_version, 1)
        elif entry.action == "canary advanced":
            assert going_on == (entry.candidate_version, entry.step - 1), entry
            going_on = (entry.candidate_version, entry.step)
        elif entry.action == "canary stopped":
            assert own, entry
            going_on = None
        elif entry.action == "promoted" and entry.step:
            assert going_on == (entry.candidate_version, entry.step) == (entry.to_version, 2), entry
        if own and entry.action in {"promoted", "refused", "overridden"}:
            going_on = None


WRITES = (
    ("store", "put_bytes"), ("tracking", "write_once"), ("tracking", "mark"),
    ("tracking", "set_alias"), ("tracking", "set_tags"), ("tracking", "unmark"),
)  # fmt: skip
# What else may be said where hands move the aliases and others promote meanwhile.
MOVED_MEANWHILE = (
    "were moved outside of the ledger",
    "is to be compared with: somebody moved production meanwhile",
    "somebody moved production meanwhile. Nothing was promoted",
)


def _one_of_fifty(number: int, versions: list[Version], policy: str) -> Callable[[Line], Any]:
    """Ten promotions by the policy, ten by hand, ten steps of canaries, ten rollbacks.

    Five more move production in MLflow, and five decide on that.

    Each third of them but the hand moves is killed right before one of its writes.
    """
    draw = random.Random(number)

    def work(line: Line) -> Any:
        by, reason = f"person {number}", "fifty at once"
        if number % 3 == 0:
            owner, name = draw.choice(WRITES)
            before({"store": line.store, "tracking": line.tracking}[owner], name, 1, kill_self)
        if number < 20:
            return _of_policy(line, number, versions[number], policy)
        if number < 30:
            return override_promotion_of(
                line.name, draw.randint(1, 4), by, reason,
                store=line.store, tracking=line.tracking, on_outside_move="restore",
            )  # fmt: skip
        if number < 40:
            return roll_back_line(
                line.name, by, reason,
                store=line.store, tracking=line.tracking, on_outside_move="restore",
            )  # fmt: skip
        if number < 45:
            return line.tracking._client.set_registered_model_alias(
                line.name, "production", str(draw.randint(1, 4))
            )
        return reconcile_line(
            line.name, "restore", by, reason, store=line.store, tracking=line.tracking
        ).decision

    return work


def _of_policy(line: Line, number: int, version: Version, policy: str) -> Any:
    """What the runs of a line do; a candidate is tried already before it all begins."""
    if number < 10:
        return line.promote(version)
    return line.try_out(version, policy) if number < 15 else line.look(Verdict.PASS)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_fifty_processes_promote_roll_back_and_move_by_hand_while_some_are_killed(
    store: ObjectStore, tracking: Tracking, mlflow_settings: Settings,
    told: Callable[[int], Path],
) -> None:  # fmt: skip
    line = new_line("race-of-fifty", store, tracking, "++++")
    versions = [line.add(number) for number in range(5, 25)]
    policy = kept_canary_policy(store)
    line.start_canary(versions[19], policy)
    children = [
        fork(mlflow_settings, line.name, _one_of_fifty(number, versions, policy), told(number))
        for number in range(50)
    ]
    exits = [wait_for_exit(child, timeout_s=1200) for child in children]
    seen = Counter[str]()
    for number, code in enumerate(exits):
        assert code in ({0, -signal.SIGKILL} if number % 3 == 0 else {0}), number
        if code:
            seen["killed"] += 1
            continue
        outcome = json.loads(told(number).read_text())
        truths = [one for one in (*TRUTHS, *MOVED_MEANWHILE) if one in outcome.get("error", "")]
        assert truths or "error" not in outcome, outcome["error"]
        seen[truths[0] if truths else "done"] += 1
    print(dict(seen))
    reconcile_line(line.name, "restore", "Ada", "in order", store=store, tracking=tracking)
    line.bring_in_order()
    audit = audit_ledger(line.name, store=store, tracking=tracking)
    assert audit.disagreement == ""
    # Each entry goes on from where the one before it ended, whoever wrote it.
    moves = line.moves
    check_canaries(line)
    assert all(then[1] == now[2] for now, then in pairwise(moves))
    assert line.aliases["production"] == moves[-1][2]
    assert seen["done"] >= 5
    assert seen["killed"] >= 3
    late = line.add()
    assert line.promote(late).action == "promoted"
    tried = line.add()
    line.try_out(tried, policy)
    assert line.aliases["production"] == tried.version
