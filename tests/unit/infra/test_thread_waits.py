"""Waits of torch's threads: measured in processes of their own, as libgomp counts by process."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.thread_waits import FEW_WAITS, MANY_WAITS, QUIET_LOOKS, Contention

TIMES = st.tuples(st.integers(0, 10**9), st.integers(0, 10**9))

# Processor time that the threads of an operation use while there is nothing to do, before, while
# and after an idle team is held; and results of the same steps.
MEASURE = """
import json, sys, time
import torch
from infra.thread_waits import IdleTeam, times_of_threads, torch_runtime

torch.set_num_threads(2)
values = torch.ones(1 << 20)

def idle_ms():
    values.mul_(1.0)
    before = times_of_threads()
    for _ in range(30):
        values.mul_(1.0)
        time.sleep(0.02)
    after = times_of_threads()
    # A thread of the team before may have ended between.
    used = sum(after[one][0] - before[one][0] for one in before.keys() & after.keys())
    return used / 30 / 1e6

def bits():
    torch.manual_seed(0)
    layer = torch.nn.Linear(256, 256)
    for _ in range(5):
        layer(torch.randn(512, 256)).square().mean().backward()
        with torch.no_grad():
            layer.weight -= layer.weight.grad
    return layer.weight.sum().item().hex(), torch.get_num_threads()

found = {"before": [idle_ms(), bits()]}
team = IdleTeam(torch_runtime())
time.sleep(0.3)
found["held"] = [idle_ms(), bits()]
team.let_go()
found["after"] = [idle_ms(), bits()]
print(json.dumps(found))
"""

# The watch itself, beside more busy processes than there are cores.
WATCH = """
import os, subprocess, sys, threading, time
import torch
from infra.thread_waits import short_waits_under_load

def is_held():
    return any(thread.name == "idle-team" for thread in threading.enumerate())

busy = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
        for _ in range(3 * os.cpu_count())]
try:
    torch.set_num_threads(2)
    values = torch.ones(1 << 20)
    with short_waits_under_load():
        until = time.monotonic() + 30
        while not is_held() and time.monotonic() < until:
            values.mul_(1.0)
        print(is_held())
    print(is_held())
finally:
    for process in busy:
        process.kill()
        process.wait()
"""

needs_two_cores = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) != 2,
    reason="libgomp counts the cores of this process; two are assumed",
)


def run(code: str, **variables: str) -> str:
    """What a new process prints that has torch with two threads."""
    unset = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "OMP_NUM_THREADS": "2", **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@needs_two_cores
def test_an_idle_team_ends_the_spinning_of_waiting_threads_and_changes_no_bit() -> None:
    found: dict[str, Any] = json.loads(run(MEASURE))
    (before, bits), (held, bits_held), (after, bits_after) = found.values()
    assert held < before / 3
    assert after > before / 2
    assert bits == bits_held == bits_after


# It fills the machine for up to half a minute, and with it whatever is tested beside it.
@pytest.mark.slow
@needs_two_cores
def test_the_watch_holds_a_team_while_other_programs_take_the_cores() -> None:
    assert run(WATCH).split() == ["True", "False"]


@pytest.mark.slow
@needs_two_cores
def test_who_has_set_the_waits_keeps_them() -> None:
    quick = WATCH.replace("+ 30", "+ 2")
    assert run(quick, OMP_WAIT_POLICY="active").split() == ["False", "False"]


@given(st.dictionaries(st.integers(1, 9), TIMES), st.dictionaries(st.integers(1, 9), TIMES))
def test_only_what_was_added_since_the_last_look_counts(
    first: dict[int, tuple[int, int]], added: dict[int, tuple[int, int]]
) -> None:
    contention = Contention()
    assert not contention.look(first)
    second = {
        thread: (run + added.get(thread, (0, 0))[0], wait + added.get(thread, (0, 0))[1])
        for thread, (run, wait) in first.items()
    }
    new = {thread: times for thread, times in added.items() if thread not in first}
    ran = sum(second[thread][0] - first[thread][0] for thread in first)
    waited = sum(second[thread][1] - first[thread][1] for thread in first)
    seen = contention.look({**second, **new})
    assert seen == (waited > MANY_WAITS * (ran + waited))


def test_cores_are_short_until_they_were_free_for_some_looks() -> None:
    contention, run, wait = Contention(), 0, 0

    def look(share: float) -> bool:
        nonlocal run, wait
        run, wait = run + round(1e9 * (1 - share)), wait + round(1e9 * share)
        return contention.look({1: (run, wait)})

    between = (FEW_WAITS + MANY_WAITS) / 2
    assert [look(share) for share in (0.0, 0.0, between, 0.5)] == [False, False, False, True]
    assert all(look(0.0) for _ in range(QUIET_LOOKS - 1))
    assert look(between)  # neither: the count begins anew
    assert all(look(0.0) for _ in range(QUIET_LOOKS - 1))
    assert not look(0.0)
