"""What is said while Prefect's server is away from a run that is followed."""

import io
import logging
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import Artifact, Log
from rich.console import Console

from flows.commands.watch import AWAY_FOR_S, TELL_AWAY_AFTER_S, Follower, _is_shown
from tasks.stages.slot_queue import WAITS

REQUEST = httpx.Request("POST", "http://127.0.0.1:14200/api/flow_runs/filter")


class Asked:
    """A server that answers each question so, after so many seconds."""

    def __init__(self, patch: pytest.MonkeyPatch, seconds: float, error: httpx.HTTPError) -> None:
        self.seconds, self.error = seconds, error
        now_s = time.monotonic()
        patch.setattr("flows.commands.watch.time.monotonic", lambda: now_s + self.passed_s)
        self.passed_s = 1.0

    def read_flow_run(self, _id: Any) -> Any:
        self.passed_s += self.seconds
        raise self.error


def looks(server: Any, number: int) -> str:
    """What is shown after so many looks."""
    shown = io.StringIO()
    follower = Follower(server, server, uuid4(), Console(file=shown, width=200))
    for _ in range(number):
        assert follower._look() is None
    return shown.getvalue()


def test_a_server_that_hangs_is_said_as_soon_as_its_answer_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Asked(monkeypatch, 60.0, httpx.ReadTimeout("", request=REQUEST))
    assert looks(server, 1).count("Prefect's server does not answer") == 1
    assert looks(server, 3).count("Prefect's server does not answer") == 1


def test_one_that_is_away_for_a_moment_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Asked(monkeypatch, 0.5, httpx.ConnectError("refused", request=REQUEST))
    assert looks(server, int(TELL_AWAY_AFTER_S)) == ""


def test_one_that_stays_away_ends_the_following(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Asked(monkeypatch, AWAY_FOR_S, httpx.ConnectError("refused", request=REQUEST))
    with pytest.raises(httpx.ConnectError):
        looks(server, 1)


@pytest.mark.parametrize(("status", "waits"), [(503, True), (404, False), (401, False)])
def test_a_refusal_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, status: int, *, waits: bool
) -> None:
    answer = httpx.Response(status, request=REQUEST)
    server = Asked(monkeypatch, 0.5, httpx.HTTPStatusError("", request=REQUEST, response=answer))
    if waits:
        assert looks(server, 1) == ""
        return
    with pytest.raises(httpx.HTTPStatusError):
        looks(server, 1)


def test_the_bar_of_a_training_that_has_ended_is_told_once() -> None:
    first, second = (Artifact(id=uuid4(), type="progress", data=0.0) for _ in range(2))
    server: Any = SimpleNamespace(read_artifacts=lambda **_: [first, second])
    shown = io.StringIO()
    follower = Follower(server, server, uuid4(), Console(file=shown, width=200))
    first.data, first.description = 100.0, "done"
    for share in (0.0, 50.0, 50.0, 100.0):
        second.data = share
        follower._print_progress()
    assert [line.split() for line in shown.getvalue().splitlines()] == [
        ["100%", "done"], ["0%"], ["50%"], ["100%"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "level", "message", "of_run", "of_trial"),
    [
        ("flows.sweep", logging.INFO, "trial 1 of 2", True, False),
        ("tasks.stages.slots", logging.INFO, f"{WAITS}the slot", True, True),
        ("prefect.flow_runs", logging.INFO, "Beginning", False, False),
        ("prefect.flow_runs", logging.WARNING, "slow", True, False),
    ],
)
def test_of_a_run_inside_of_the_run_only_its_waiting_is_shown(
    name: str, level: int, message: str, *, of_run: bool, of_trial: bool
) -> None:
    log = Log(
        name=name, level=level, message=message, timestamp=datetime.now(UTC), flow_run_id=uuid4()
    )
    assert (_is_shown(log, inside=False), _is_shown(log, inside=True)) == (of_run, of_trial)
