"""A candidate beside the version in production: whom it answers, and that no request is lost by it.

The processes are real ones that speak as a model's process does, and answer by their version.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest

from infra.errors import IntegrityError, TrackingError
from tasks.records.canary import CanaryStep
from tasks.records.registry import Production
from tasks.serving import model_worker
from tasks.serving.asking import Asked, ServedRequest
from tasks.serving.canary import CanaryHealth, is_drawn
from tasks.serving.line_server import LineServer
from tasks.serving.loading import VersionSource
from tasks.serving.metrics import ServingMetrics
from tasks.serving.recording import is_sampled
from tasks.serving.served_version import Trial
from tasks.serving.settings import CanaryServingSettings, ServingSettings, ShadowSettings
from tasks.serving.waiting_rows import AnswerFailedError

PROCESS = """
import json, os, struct, sys, time
size = struct.Struct(">I")
def read():
    head = sys.stdin.buffer.read(size.size)
    return json.loads(sys.stdin.buffer.read(*size.unpack(head))) if head else None
def say(said):
    content = json.dumps(said).encode()
    sys.stdout.buffer.write(size.pack(len(content)) + content)
    sys.stdout.buffer.flush()
version = open(read()["folder"] + "/version").read()
say({})
while (rows := read()) is not None:
    texts = " ".join(row["text"] for row in rows)
    if "slow " + version in texts:
        time.sleep(0.6)
    if "end " + version in texts:
        os._exit(3)
    refused = "refuse " + version in texts
    say({"error": "no"} if refused else {"answers": [{"label": version, "score": 0.5}] * len(rows)})
"""
PRODUCTION = Production("films", 3, "w3", "m", "classification", ("3",), 16, 0, 0)
CANDIDATE = replace(PRODUCTION, version=4, weights_sha256="w4", labels=("3", "4"))
STEP = CanaryStep("films", 4, "w4", 3, 1, 1.0, "now", "now", "s3://ledger/1")
SHADOW = replace(STEP, share=0.0)

_Said = TypeVar("_Said")


@dataclass
class World:
    """What ledger and registry say, and what was fetched of them."""

    production: Production | Exception = PRODUCTION
    step: CanaryStep | Exception | None = None
    wrong: Exception | None = None
    fetched: list[int] = field(default_factory=list)
    quick: threading.Event = field(default_factory=threading.Event)  # else it is not told in time

    def __post_init__(self) -> None:
        self.quick.set()

    def source(self) -> VersionSource:
        def fetch(version: Production, folder: Path) -> Path:
            self.fetched.append(version.version)
            self.quick.wait(30)
            if version == CANDIDATE and self.wrong:
                raise self.wrong
            folder.mkdir()
            (folder / "version").write_text(str(version.version))
            return folder

        def production() -> Production:
            if isinstance(self.production, Exception):
                self.quick.wait(30)
            return _told(self.production)

        trial = Trial(({"text": "a film"},), lambda _answers: None)
        return VersionSource(
            production, lambda: _told(self.step), lambda _: CANDIDATE, fetch,
            lambda _: trial,
        )  # fmt: skip


def _told(said: _Said | Exception) -> _Said:
    if isinstance(said, Exception):
        raise said
    return said


@dataclass
class Line:
    """A served line, and what its versions made of what they were asked."""

    server: LineServer
    world: World
    told: list[Asked] = field(default_factory=list)

    async def ask(self, text: str = "a film", request_id: str = "r-1") -> str:
        """The version that answers."""
        request = ServedRequest(request_id, [{"text": text}])
        (answered,) = await self.server.answer(request, self.told.append)
        assert answered.answer["label"] == str(answered.production.version)
        return str(answered.answer["label"])

    async def look(self, step: CanaryStep | Exception | None) -> None:
        """Look once, and wait until the candidate is there, where it is to be asked."""
        self.world.step = step
        await self.server.look()
        if isinstance(step, CanaryStep):
            await until(lambda: bool(health(self).ready or health(self).refused))

    async def moved_to(self, version: str) -> None:
        """Wait for an answer of it: the one before answers what it takes in the moment itself."""
        deadline = time.monotonic() + 30
        while await self.ask() != version:
            assert time.monotonic() < deadline

    def made(self) -> list[tuple[str, int, str]]:
        return [(one.role, one.version.version, one.error) for one in self.told]


def health(line: Line) -> CanaryHealth:
    found = line.server.health.canary
    assert found
    return found


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def run(
    work: Callable[[Line], Awaitable[None]], world: World | None = None, **changed: object
) -> World:
    """Serve a line for as long as the work takes."""
    world = world or World()

    @asynccontextmanager
    async def served() -> AsyncIterator[Line]:
        settings = ServingSettings.model_validate({"request_timeout_s": 20, **changed})
        server = LineServer("films", world.source(), settings, ServingMetrics())
        await server.start()
        try:
            yield Line(server, world)
        finally:
            await server.close()

    async def whole() -> None:
        async with served() as line:
            await work(line)

    asyncio.run(whole())
    return world


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_worker, "COMMAND", (sys.executable, "-c", PROCESS))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.25, 1.0])
def test_a_request_is_drawn_by_its_id_whatever_is_recorded_and_stays_drawn(share: float) -> None:
    ids = [f"request {number}" for number in range(4_000)]
    drawn = {one for one in ids if is_drawn(one, 4, share)}
    spread = 4 * (4_000 * share * (1 - share)) ** 0.5
    assert len(drawn) == pytest.approx(4_000 * share, abs=spread)
    assert drawn <= {one for one in ids if is_drawn(one, 4, min(1.0, 2 * share))}
    sampled = sum(is_sampled(one, 0.5) for one in drawn)
    assert sampled == pytest.approx(len(drawn) / 2, abs=2 * max(1, len(drawn)) ** 0.5)
    others = sum(is_drawn(one, 5, share) for one in drawn)
    assert others == pytest.approx(len(drawn) * share, abs=4 * max(1, len(drawn)) ** 0.5)


def test_from_shadow_to_production_the_candidate_is_loaded_once() -> None:
    async def work(line: Line) -> None:
        assert await line.ask() == "3"
        await line.look(SHADOW)
        assert await line.ask() == "3"
        await until(lambda: len(line.told) == 3)
        await line.look(replace(STEP, number=2, share=0.5))
        by = {f"r-{n}": await line.ask(request_id=f"r-{n}") for n in range(40)}
        assert by == {one: "4" if is_drawn(one, 4, 0.5) else "3" for one in by}
        assert set(by.values()) == {"3", "4"}
        pids = line.server.pids
        line.world.production = CANDIDATE
        await line.look(None)
        assert line.server.health.canary is None
        assert line.server.health.version == 4
        assert line.server.pids != pids
        await line.moved_to("4")
        assert {await line.ask(request_id=f"r-{n}") for n in range(40)} == {"4"}
        first, asked, shadow = line.made()[:3]
        assert (first, asked) == (("production", 3, ""), ("production", 3, ""))
        assert shadow == ("shadow", 4, "")
        assert set(line.made()[3:43]) == {("production", 3, ""), ("canary", 4, "")}
        assert set(line.made()[-40:]) == {("production", 4, "")}

    assert run(work).fetched == [3, 4]


def test_production_answers_where_the_candidate_refuses_ends_or_is_late() -> None:
    async def work(line: Line) -> None:
        await line.look(STEP)
        for text, error in (
            ("refuse 4", "failed"), ("end 4", "unanswered"), ("slow 4", "unanswered")
        ):  # fmt: skip
            line.told.clear()
            await until(lambda: health(line).ready)
            began = time.perf_counter()
            assert await line.ask(text) == "3"
            whole = time.perf_counter() - began
            assert line.made() == [("canary", 4, error), ("production", 3, "")]
            if text == "slow 4":
                assert line.told[0].latency_s >= 0.3
            assert sum(one.latency_s for one in line.told) < whole  # each has its own
        await asyncio.sleep(0.6)
        assert await line.ask() == "4"
        line.told.clear()
        with pytest.raises(AnswerFailedError):  # where production fails as well, that is said
            await line.ask("refuse 4 refuse 3")
        assert line.made() == [("canary", 4, "failed"), ("production", 3, "failed")]
        metrics = line.server.metrics
        assert metrics.restarts.labels("canary")._value.get() >= 1
        assert metrics.restarts.labels("production")._value.get() == 0

    run(work, canary=CanaryServingSettings(timeout_s=0.3))


def test_a_killed_candidate_loses_no_request() -> None:
    async def work(line: Line) -> None:
        await line.look(STEP)
        candidate = line.server._canary._candidate
        assert candidate
        (pid,) = candidate.served.pids
        os.kill(pid, signal.SIGSTOP)  # so that it has taken the rows when it is killed
        asking = [asyncio.create_task(line.ask(request_id=f"r-{n}")) for n in range(20)]
        await asyncio.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        assert await asyncio.gather(*asking) == ["3"] * 20
        assert line.made().count(("canary", 4, "unanswered")) == 20
        await until(lambda: candidate.served.is_ready)
        assert await line.ask() == "4"

    run(work)


@pytest.mark.parametrize("wrong", [IntegrityError("other files"), OSError(28, "No space left")])
def test_a_candidate_that_cannot_be_served_is_asked_nothing(wrong: Exception) -> None:
    async def work(line: Line) -> None:
        for _ in range(3):
            await line.look(STEP)
        found = line.server.health
        assert found.status == "candidate refused"
        assert found.canary
        assert str(wrong) in found.canary.refused
        assert line.server.metrics.canary_refused._value.get() == 1
        assert await line.ask() == "3"
        await line.look(None)
        assert line.server.health.status == "ok"

    assert run(work, World(wrong=wrong)).fetched == [3, 4]  # not anew at every look


def test_where_it_is_not_known_whether_a_canary_goes_on_its_candidate_waits() -> None:
    async def work(line: Line) -> None:
        await line.look(STEP)
        for doubt in (TrackingError("MLflow is away"), ValueError("an answer of no known form")):
            await line.look(doubt)
            found = line.server.health.canary
            assert found
            assert str(doubt) in found.in_doubt
            assert (found.ready, await line.ask()) == (False, "3")
            assert line.server.metrics.canary_in_doubt._value.get() == 1
        line.world.production = TrackingError("MLflow is away")
        await line.server.look()
        assert await line.ask() == "3"
        line.world.production = PRODUCTION
        await line.look(STEP)
        assert await line.ask() == "4"

    assert run(work).fetched == [3, 4]


@pytest.mark.parametrize(
    ("production", "step"),
    [
        (TrackingError("MLflow is away"), TrackingError("MLflow is away")),
        (replace(PRODUCTION, version=5), None),
    ],
)
def test_a_candidate_is_asked_nothing_while_production_is_looked_for_or_loaded(
    production: Production | Exception, step: Exception | None
) -> None:
    async def work(line: Line) -> None:
        await line.look(STEP)
        assert await line.ask() == "4"
        line.world.production, line.world.step = production, step
        line.world.quick.clear()
        looking = asyncio.create_task(line.server.look())
        await until(lambda: not health(line).ready)
        assert await line.ask() == "3"
        assert not looking.done()
        line.world.quick.set()
        await looking
        found = line.server.health.canary
        assert found is None or not found.ready

    run(work)


def test_a_request_that_comes_to_an_ended_canary_is_answered_at_once() -> None:
    async def work(line: Line) -> None:
        await line.look(STEP)
        candidate = line.server._canary._candidate
        assert candidate
        counted = threading.Event()

        def count(_row: object) -> int:
            counted.wait(30)
            return 1

        candidate.served.tokens.count = count  # type: ignore[method-assign]
        many = ServedRequest("r-1", [{"text": "a film"}] * 9)  # counted beside the event loop
        asking = asyncio.create_task(line.server.answer(many, line.told.append))
        await asyncio.sleep(0.1)
        await line.look(None)
        counted.set()
        assert {one.answer["label"] for one in await asking} == {"3"}
        assert line.made() == [("production", 3, "")]  # and not after the candidate's timeout_s

    run(work, canary=CanaryServingSettings(timeout_s=5))


def test_a_canary_that_is_stopped_or_of_another_production_asks_its_candidate_nothing_more() -> (
    None
):
    async def work(line: Line) -> None:
        await line.look(STEP)
        candidate = line.server._canary._candidate
        assert candidate
        (pid,) = candidate.served.pids
        os.kill(pid, signal.SIGSTOP)  # so that it answers nothing before the canary is stopped
        taken = [asyncio.create_task(line.ask(request_id=f"r-{n}")) for n in range(3)]
        await asyncio.sleep(0.3)
        waiting = [asyncio.create_task(line.ask(request_id=f"w-{n}")) for n in range(9)]
        await asyncio.sleep(0.1)
        await line.look(None)
        assert set(await asyncio.gather(*waiting)) == {"3"}
        os.kill(pid, signal.SIGCONT)
        assert set(await asyncio.gather(*taken)) == {"4"}  # what it had taken, it answers
        assert not [one for one in line.told if one.error]  # it says nothing of the candidate
        await line.look(STEP)
        line.world.production = replace(PRODUCTION, version=5)
        await line.server.look()  # the canary is not known to have ended yet
        assert line.server.health.canary is None
        await line.moved_to("5")

    assert run(work).fetched == [3, 4, 4, 5]


def test_shadow_holds_nobody_up_and_what_it_cannot_take_is_counted() -> None:
    async def work(line: Line) -> None:
        await line.look(SHADOW)
        began = time.monotonic()
        for number in range(20):
            assert await line.ask("slow 4", f"r-{number}") == "3"
        assert time.monotonic() - began < 6  # of 12 that it takes the candidate
        await until(lambda: line.made().count(("shadow", 4, "")) >= 4)
        own = [one.latency_s for one in line.told if one.role == "shadow"]
        assert min(own) >= 0.6
        assert min(own[1:]) < 1.2  # without the time that it waited behind the first
        assert line.server.metrics.shadow_dropped._value.get() >= 5
        await line.look(replace(STEP, number=2))
        dropped = line.server.metrics.shadow_dropped._value.get()
        asked_of = [one for one in line.made() if one[0] == "shadow"]
        assert dropped + len(asked_of) >= 19  # but for one that was under way

    run(work, canary=CanaryServingSettings(shadow=ShadowSettings(max_waiting_rows=5)))


def test_a_server_that_ends_does_not_wait_for_what_is_asked_in_shadow() -> None:
    async def work(line: Line) -> None:
        await line.look(SHADOW)
        candidate = line.server._canary._candidate
        assert candidate
        (pid,) = candidate.served.pids
        os.kill(pid, signal.SIGSTOP)  # it would be given up after request_timeout_s, 20 s
        assert await line.ask() == "3"
        assert candidate._shadow
        await until(lambda: not candidate._shadow._waiting)  # type: ignore[union-attr]
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await line.server.close()
        assert time.monotonic() - began < 10
        assert line.made() == [("production", 3, "")]
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    run(work)


def test_while_production_is_busy_shadow_has_a_share_of_the_time() -> None:
    async def work(line: Line) -> None:
        await line.look(SHADOW)
        with line.server._load:  # as if production always had a request
            for number in range(3):
                line.server._canary.ask_in_shadow(
                    ServedRequest(f"r-{number}", [{"text": "slow 4"}]), line.told.append
                )
            began = time.monotonic()
            await until(lambda: len(line.told) == 2)
            assert time.monotonic() - began > 0.6 + 0.6 + 0.5

    run(work, canary=CanaryServingSettings(shadow=ShadowSettings(share_of_time=0.5)))


def test_a_candidate_is_asked_nothing_where_nothing_is_recorded() -> None:
    async def work(line: Line) -> None:
        await line.look(STEP)
        found = line.server.health.canary
        assert found
        assert "serving.record.share is 0" in found.refused
        assert await line.ask() == "3"

    assert run(work, record={"share": 0}).fetched == [3]


def test_in_shadow_the_candidate_is_asked_what_is_recorded_alone() -> None:
    async def work(line: Line) -> None:
        await line.look(SHADOW)
        ids = [f"r-{number}" for number in range(30)]
        for one in ids:
            assert await line.ask(request_id=one) == "3"
        kept = [one for one in ids if is_sampled(one, 0.4)]
        await until(lambda: line.made().count(("shadow", 4, "")) == len(kept))
        await asyncio.sleep(0.1)
        assert line.made().count(("shadow", 4, "")) == len(kept)
        assert line.server.metrics.shadow_dropped._value.get() == 0

    run(work, record={"share": 0.4})
