"""Texts alone: a tagging model finds the entities, a relation model classifies the pairs.

Both are real processes with tiny models. The tagger takes every word for an entity.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from transformers import AutoModelForTokenClassification

from tasks.records.registry import Production
from tasks.serving.application import Application, EntityFinder
from tasks.serving.line_server import LineServer
from tasks.serving.loading import VersionSource
from tasks.serving.metrics import ServingMetrics
from tasks.serving.served_version import Trial
from tasks.serving.settings import EntitiesSettings, ServingSettings
from tests.unit.task_types.every_task_type import trained

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TAGS, RELATIONS = ("B-PER", "I-PER", "O"), ("knows(e1,e2)", "knows(e2,e1)", "no_relation")
TEXT = "Ada met Bob"
MARKED = {
    "text": TEXT, "subject_start": 0, "subject_end": 3, "subject_type": "person",
    "object_start": 8, "object_end": 11, "object_type": "person",
}  # fmt: skip


@dataclass
class Line:
    """A line whose version in production a test moves."""

    production: Production
    model: Path
    asked: dict[str, Any]
    kept: list[Any] = field(default_factory=list)

    def server(self, settings: ServingSettings) -> LineServer:
        def fetch(_: Production, folder: Path) -> Path:
            return Path(shutil.copytree(self.model, folder))

        trial = Trial((self.asked,), lambda _answers: None)
        source = VersionSource(
            lambda: self.production, lambda: None, lambda _: self.production, fetch, lambda _: trial
        )
        return LineServer(self.production.line, source, settings, ServingMetrics())

    def keep_request(self, rows: Sequence[Any]) -> None:
        """In place of a recorder: what it is given."""
        self.kept += rows


@pytest.fixture(scope="module")
def models(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("joint")
    tagger = trained("tagging", tiny_model, TAGS, folder / "tagger")
    model = AutoModelForTokenClassification.from_pretrained(tagger)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
    model.save_pretrained(tagger)
    return trained("relation_extraction", tiny_model, RELATIONS, folder / "relations"), tagger


@pytest.fixture
def lines(models: tuple[Path, Path]) -> tuple[Line, Line]:
    relations, tagger = models
    pairs = Production("pairs", 3, "w", "m", "relation_extraction", RELATIONS, 40, 0, 0)
    names = Production("names", 7, "v", "n", "tagging", TAGS, 40, 8, 0)
    return Line(pairs, relations, MARKED), Line(names, tagger, {"tokens": ["Ada"]})


@asynccontextmanager
async def asked(
    lines: tuple[Line, Line], entities: dict[str, Any], **serving: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, LineServer, LineServer]]:
    """The application over both lines, started."""
    settings = ServingSettings.model_validate(serving)
    server, finder = (one.server(settings) for one in lines)
    of_entities = EntitiesSettings.model_validate({"line": "names", **entities})
    application = Application(
        server, lines[0], "test",  # type: ignore[arg-type]
        EntityFinder(finder, lines[1], of_entities),  # type: ignore[arg-type]
    )  # fmt: skip
    await server.start()
    await finder.start()
    transport = httpx.ASGITransport(application.app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://served") as client:
            yield client, server, finder
    finally:
        await server.close()
        await finder.close()


async def post(client: httpx.AsyncClient, content: Any) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return await client.post("/invocations", content=json.dumps(content), headers=headers)


def test_entities_and_the_relations_of_every_pair(lines: tuple[Line, Line]) -> None:
    async def work() -> None:
        async with asked(lines, {"types": {"PER": "person"}}) as (client, _, _):
            found = await post(client, {"inputs": [TEXT, "", "Ada"]})
            assert found.status_code == 200, found.text
            content = found.json()
            assert content["versions"] == {"pairs": 3, "names": 7}
            assert found.headers["x-model-version"] == "3"
            assert found.headers["x-entities-version"] == "7"
            first, empty, alone = content["predictions"]
            assert [one["text"] for one in first["entities"]] == ["Ada", "met", "Bob"]
            assert first["entities"][2] == {"type": "PER", "start": 8, "end": 11, "text": "Bob"}
            pairs = [(one["row"], one["subject"], one["object"]) for one in first["relations"]]
            assert pairs == [(0, 0, 1), (1, 0, 2), (2, 1, 0), (3, 1, 2), (4, 2, 0), (5, 2, 1)]
            assert empty == {"entities": [], "relations": [], "pairs_left_out": 0}
            assert (len(alone["entities"]), alone["relations"]) == (1, [])

            # The same pair, marked by who asks: answered as it always was, and alike.
            marked = await post(client, {"inputs": [MARKED]})
            (answer,) = marked.json()["predictions"]
            assert answer.keys() == {"label", "score"}
            assert "versions" not in marked.json()
            same = first["relations"][1]
            assert same["label"] == answer["label"]
            assert same["score"] == pytest.approx(answer["score"], abs=1e-4)

            health = (await client.get("/health")).json()
            assert (health["line"], health["entities"]["line"]) == ("pairs", "names")
            for path in ("/metrics", "/metrics/entities"):
                assert "assayline_rows_total" in (await client.get(path)).text

    asyncio.run(work())
    relations, tagger = lines
    ids = {row.request_id for row, _ in (*relations.kept[:6], *tagger.kept)}
    assert len(ids) == 1
    assert [inputs["tokens"] for _, (inputs, _) in tagger.kept] == [
        ["Ada", "met", "Bob"], [], ["Ada"],
    ]  # fmt: skip
    assert [row.row for row, _ in relations.kept] == [*range(6), 0]
    assert relations.kept[1][1][0] == MARKED
    assert {row.version for row, _ in tagger.kept} == {7}


def test_what_is_wrong_is_said_as_it_always_was(lines: tuple[Line, Line]) -> None:
    async def work() -> None:
        async with asked(lines, {"max_pairs": 4}, max_waiting_rows=8) as (client, _, _):
            for content, status, said in (
                ({"inputs": [3]}, 400, "text of row 0 is 3; right would be a text"),
                ({"inputs": [{"text": 3}]}, 400, "text of row 0 is 3; right would be a text"),
                ({"inputs": [{"text": "a", "subject_start": 0}]}, 400, "'subject_end'"),
                ({"inputs": [TEXT] * 3}, 413, "make 12 pairs; send fewer texts at once"),
                ({"inputs": ["a"] * 9}, 413, "at most 8"),
            ):
                found = await post(client, content)
                assert found.status_code == status, found.text
                assert said in found.json()["message"]
            found = await post(client, {"inputs": [TEXT]})
            (one,) = found.json()["predictions"]
            assert (len(one["relations"]), one["pairs_left_out"]) == (4, 2)

    asyncio.run(work())


def test_both_lines_move_on_without_a_lost_request(lines: tuple[Line, Line]) -> None:
    """A stream of requests while either line goes to another version."""

    async def work() -> None:
        async with asked(lines, {}) as (client, server, finder):
            seen: list[tuple[int, dict[str, int]]] = []
            over = asyncio.Event()

            async def ask_on() -> None:
                while not over.is_set():
                    found = await post(client, {"inputs": [TEXT, "Eve met Ada"]})
                    seen.append((found.status_code, found.json().get("versions", {})))

            asking = [asyncio.create_task(ask_on()) for _ in range(3)]
            for line, moved in zip(lines, (server, finder), strict=True):
                line.production = replace(line.production, version=line.production.version + 1)
                await moved.look()
            await until(lambda: seen[-1][1] == {"pairs": 4, "names": 8})
            over.set()
            await asyncio.gather(*asking)
            assert {status for status, _ in seen} == {200}
            assert {one["pairs"] for _, one in seen} == {3, 4}
            assert {one["names"] for _, one in seen} == {7, 8}

    asyncio.run(work())


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.05)
