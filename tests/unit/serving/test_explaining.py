"""Answers that are explained on request: beside them, never in their way, and by their version.

The processes are real ones that speak as a model's process does; they answer and explain by their
version. tests/unit/explanation asks a real model.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.records.canary import CanaryStep
from tasks.records.registry import Production
from tasks.serving import model_worker
from tasks.serving.application import Application
from tasks.serving.line_server import LineServer
from tasks.serving.loading import VersionSource
from tasks.serving.metrics import ServingMetrics
from tasks.serving.served_version import Trial
from tasks.serving.settings import ServingSettings

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
spec = read()
version, method = open(spec["folder"] + "/version").read(), spec["method"]
if method and os.path.exists(spec["folder"] + "/unexplained"):
    say({"error": "no method for it"})
    sys.exit()
say({})
while (rows := read()) is not None:
    texts = [row["text"] for row in rows]
    if method and "slow" in texts:
        time.sleep(0.5)
    if method and "stuck" in texts:
        time.sleep(60)
    if method and "end" in texts:
        os._exit(3)
    if method and "refuse" in texts:
        say({"error": "no number"})
    elif method:
        say({"answers": [{"by": version, "method": method, "of": text} for text in texts]})
    else:
        say({"answers": [{"label": version, "score": 0.5}] * len(rows)})
"""
PRODUCTION = Production("films", 3, "w3", "m", "classification", ("3",), 16, 0, 0)
CANDIDATE = replace(PRODUCTION, version=4, weights_sha256="w4", labels=("3", "4"))
STEP = CanaryStep("films", 4, "w4", 3, 1, 1.0, "now", "now", "s3://ledger/1")
EXPLAIN = {"explain": True}


class World:
    """What is in production, which canary goes on, and what was recorded."""

    def __init__(self, production: Production = PRODUCTION) -> None:
        self.production = production
        self.step: CanaryStep | None = None
        self.is_explained = True
        self.kept: list[Any] = []

    def source(self) -> VersionSource:
        def fetch(version: Production, folder: Path) -> Path:
            folder.mkdir()
            (folder / "version").write_text(str(version.version))
            if not self.is_explained:
                (folder / "unexplained").touch()
            return folder

        trial = Trial(({"text": "a film"},), lambda _answers: None)
        return VersionSource(
            lambda: self.production, lambda: self.step, lambda _: CANDIDATE, fetch,
            lambda _: trial, "a.module",
        )  # fmt: skip

    def keep_request(self, rows: Sequence[Any]) -> None:
        self.kept += [(row.request_id, row.version, *pair) for row, pair in rows]


class Asking:
    """A served line and its client."""

    def __init__(self, world: World, server: LineServer, client: httpx.AsyncClient) -> None:
        self.world, self.server, self.client = world, server, client

    async def ask(self, *texts: str, params: Any = EXPLAIN) -> httpx.Response:
        content = {"inputs": list(texts), **({"params": params} if params is not None else {})}
        return await self.client.post("/invocations", json=content)


def serve(
    work: Callable[[Asking], Awaitable[None]], world: World | None = None,
    explanations: dict[str, Any] | None = {}, **settings: Any,  # noqa: B006 - it is only read
) -> World:  # fmt: skip
    """Serve a line for as long as the work takes."""
    world = world or World()

    async def whole() -> None:
        given = ServingSettings.model_validate({"explanations": explanations, **settings})
        server = LineServer("films", world.source(), given, ServingMetrics())
        await server.start()
        transport = httpx.ASGITransport(Application(server, world, "test").app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://served") as client:
            try:
                await work(Asking(world, server, client))
            finally:
                await server.close()

    asyncio.run(whole())
    return world


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_worker, "COMMAND", (sys.executable, "-c", PROCESS))


def counted(server: LineServer) -> tuple[float, float]:
    explained = server.metrics.explained
    return explained.labels("explained")._value.get(), explained.labels("failed")._value.get()


def test_an_explanation_stands_beside_the_answers_and_changes_nothing_of_what_is_recorded() -> None:
    async def work(line: Asking) -> None:
        plain = await line.ask("a", "b", params=None)
        assert list(plain.json()) == ["predictions"]
        assert (await line.ask("a", "b", params={"explain": False})).json() == plain.json()
        explained = await line.ask("a", "b")
        assert explained.json()["predictions"] == plain.json()["predictions"]
        assert explained.json()["explanations"] == [
            {"by": "3", "method": "occlusion", "of": text} for text in ("a", "b")
        ]
        assert explained.headers["x-model-version"] == "3"
        assert (await line.ask()).json() == {"predictions": [], "explanations": []}
        assert counted(line.server) == (2, 0)

    kept = [one[1:] for one in serve(work).kept]
    assert kept[:2] == kept[2:4] == kept[4:]
    assert len(kept) == 6


def test_it_is_explained_by_the_version_that_answered() -> None:
    async def work(line: Asking) -> None:
        line.world.step = STEP
        await line.server.look()
        async with asyncio.timeout(20):
            while not (line.server.health.canary and line.server.health.canary.ready):
                await asyncio.sleep(0.02)
        by_candidate = (await line.ask("a")).json()
        assert (by_candidate["predictions"][0]["label"], by_candidate["explanations"][0]["by"]) == (
            "4", "4"
        )  # fmt: skip
        line.world.step, line.world.production = None, CANDIDATE
        await line.server.look()
        assert (await line.ask("a")).json()["explanations"][0]["by"] == "4"
        line.world.production = PRODUCTION
        await line.server.look()
        assert (await line.ask("a")).json()["explanations"][0]["by"] == "3"
        with pytest.raises(Exception, match="version 4 serves no more"):
            await line.server.explain(CANDIDATE, [{"text": "a"}])

    serve(work, explanations={"method": "integrated_gradients"})


def test_others_are_answered_while_texts_are_explained() -> None:
    async def work(line: Asking) -> None:
        await line.ask("a")  # whose process is up then
        slow = [asyncio.create_task(line.ask("slow")) for _ in range(2)]
        began = time.perf_counter()
        for _ in range(5):
            assert (await line.ask("b", params=None)).is_success
        assert time.perf_counter() - began < 0.4
        assert not any(task.done() for task in slow)
        full = await line.ask("c", "d", "e")
        assert full.status_code == 503
        assert "2 texts wait for their explanations, and at most 4 may" in full.text
        assert full.headers["retry-after"] == "1"
        recorded = len(line.world.kept)
        assert [(await task).json()["explanations"][0]["of"] for task in slow] == ["slow"] * 2
        assert len(line.world.kept) == recorded
        assert (await line.ask("c", "d", "e")).is_success

    kept = serve(work, explanations={"max_texts": 3, "max_waiting_texts": 4}).kept
    assert [one[2]["text"] for one in kept].count("d") == 1  # a refused request is not recorded


@pytest.mark.parametrize(
    ("text", "why"),
    [("end", "ended with exit code 3"), ("stuck", "did not answer within 0.7 s"),
     ("refuse", "no number")],
)  # fmt: skip
def test_an_answer_is_given_whatever_becomes_of_its_explanation(text: str, why: str) -> None:
    async def work(line: Asking) -> None:
        found = await line.ask(text)
        assert found.status_code == 200
        assert found.json()["predictions"] == [{"label": "3", "score": 0.5}]
        assert found.json()["explanations"] is None
        assert why in found.json()["not_explained"]
        assert (await line.ask("a")).json()["explanations"][0]["of"] == "a"  # by a new process
        assert counted(line.server) == (1, 1)
        assert len(line.server.pids) == 1
        assert line.server.metrics.restarts.labels("production")._value.get() == 0

    serve(work, explanations={"timeout_s": 0.7})


def test_a_request_that_waits_too_long_for_its_turn_is_answered_without() -> None:
    async def work(line: Asking) -> None:
        # The process has to start for the first one, so that the second one's time is over first.
        one, other = await asyncio.gather(line.ask("stuck"), line.ask("b"))
        assert "did not answer within 0.6 s" in one.json()["not_explained"]
        late = "other texts were explained for 0.6 s (setting serving.explanations.timeout_s)"
        assert other.json()["predictions"] == [{"label": "3", "score": 0.5}]
        assert other.json()["not_explained"] == late

    serve(work, explanations={"timeout_s": 0.6})


def test_what_cannot_be_explained_is_said_and_serves_all_the_same() -> None:
    async def work(line: Asking) -> None:
        told = (await line.ask("a")).json()
        assert told["predictions"] == [{"label": "3", "score": 0.5}]
        assert told["not_explained"] == "no method for it"

    world = World()
    world.is_explained = False
    serve(work, world)


@pytest.mark.parametrize(
    ("explanations", "task_type", "params", "status", "message"),
    [
        (None, "classification", EXPLAIN, 400, "serving.explanations is not set"),
        (None, "classification", {"top_k": 2}, 400, "this model takes no params"),
        ({}, "tagging", EXPLAIN, 400, "and the task_type is tagging"),
        ({}, "classification", {"explain": "yes"}, 400, 'right would be {\\"explain\\": true}'),
        ({}, "classification", {"explain": True, "top_k": 2}, 400, "right would be"),
        ({}, "classification", [1], 400, "params is [1]"),
        ({"max_texts": 1}, "classification", EXPLAIN, 413, "serving.explanations.max_texts"),
    ],
)
def test_a_request_for_explanations_that_are_not_given_is_refused(
    explanations: dict[str, Any] | None, task_type: str, params: Any, status: int, message: str
) -> None:
    async def work(line: Asking) -> None:
        content: dict[str, Any] = {"inputs": ["a", "b"], "params": params}
        if task_type == "tagging":
            content["inputs"] = [{"tokens": ["a"]}]
        refused = await line.client.post("/invocations", json=content)
        assert refused.status_code == status
        assert message in json.dumps(refused.json())

    world = World(replace(PRODUCTION, task_type=task_type))
    assert not serve(work, world, explanations).kept
