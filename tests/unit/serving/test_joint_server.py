"""Texts alone over HTTP, by two lines that answer without a model.

tests/integration/test_joint_serving.py asks real ones.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from tasks.records.registry import Production
from tasks.serving.application import Application, EntityFinder
from tasks.serving.asking import Asked, ServedRequest, Tell
from tasks.serving.line_server import Health
from tasks.serving.metrics import ServingMetrics
from tasks.serving.settings import EntitiesSettings, ServingSettings
from tasks.serving.waiting_rows import Answered, AnswerFailedError, UnansweredError

PAIRS = Production("pairs", 3, "w", "m", "relation_extraction", ("knows", "no_relation"), 40, 0, 0)
NAMES = Production("names", 7, "v", "n", "tagging", ("B-PER", "I-PER", "O"), 40, 8, 0)
MARKED = {
    "text": "Ada met Bob", "subject_start": 0, "subject_end": 3, "subject_type": "person",
    "object_start": 8, "object_end": 11, "object_type": "person",
}  # fmt: skip


def name_capitalised(row: dict[str, Any]) -> Any:
    """Words that begin with a capital letter are people."""
    words = row["tokens"]
    places = [n for n, word in enumerate(words) if word[:1].isupper()]
    return {
        "tags": ["B-PER" if n in places else "O" for n in range(len(words))],
        "entities": [
            {"type": "PER", "start": n, "end": n + 1, "text": words[n]} for n in places
        ],
    }  # fmt: skip


def know_those_before(row: dict[str, Any]) -> Any:
    """Who stands before another one knows him."""
    before = row["subject_start"] < row["object_start"]
    return {"label": "knows" if before else "no_relation", "score": 0.75}


class Line:
    """A line that answers by a function, and keeps what is recorded of it."""

    def __init__(self, production: Production, answer: Callable[[dict[str, Any]], Any]) -> None:
        self.production, self._answer = production, answer
        self.settings = ServingSettings(max_waiting_rows=8)
        self.metrics = ServingMetrics()
        self.labels = production.labels
        self.waiting_rows = 0
        self.ready = True
        self.kept: list[tuple[str, int, Any]] = []

    @property
    def health(self) -> Health:
        one = self.production
        return Health(one.line, self.ready, one.version, one.weights_sha256, "", "", "", None)

    async def answer(self, request: ServedRequest, tell: Tell) -> list[Answered]:
        answers = [self._answer(row) for row in request.rows]
        tell(Asked("production", self.production, tuple(answers), "", 0.1))
        return [Answered(one, self.production) for one in answers]

    def keep_request(self, rows: Sequence[Any]) -> None:
        self.kept += [(row.request_id, row.row, inputs) for row, (inputs, _) in rows]


def ask(
    lines: tuple[Line, Line], content: Any, path: str = "/invocations", **entities: Any
) -> httpx.Response:
    """What is answered to one request; GET where it has no content."""
    relations, tagger = lines
    settings = EntitiesSettings.model_validate({"line": "names", **entities})
    application = Application(
        relations, relations, "test",  # type: ignore[arg-type]
        EntityFinder(tagger, tagger, settings),  # type: ignore[arg-type]
    )  # fmt: skip

    async def work() -> httpx.Response:
        transport = httpx.ASGITransport(application.app)
        headers = {"content-type": "application/json", "x-request-id": "r-1"}
        async with httpx.AsyncClient(transport=transport, base_url="http://served") as client:
            if content is None:
                return await client.get(path)
            return await client.post(path, content=json.dumps(content), headers=headers)

    return asyncio.run(work())


@pytest.fixture
def lines() -> tuple[Line, Line]:
    return Line(PAIRS, know_those_before), Line(NAMES, name_capitalised)


def test_entities_and_relations_of_texts_with_both_versions(lines: tuple[Line, Line]) -> None:
    texts = ["Ada met Bob", "", "nobody here", "Eve saw  Dan"]
    found = ask(lines, {"inputs": texts}, types={"PER": "person"})
    assert found.status_code == 200
    assert found.json()["versions"] == {"pairs": 3, "names": 7}
    assert found.headers["x-model-version"] == "3"
    assert found.headers["x-entities-version"] == "7"
    first, empty, nobody, last = found.json()["predictions"]
    assert empty == nobody == {"entities": [], "relations": [], "pairs_left_out": 0}
    assert first["entities"] == [
        {"type": "PER", "start": 0, "end": 3, "text": "Ada"},
        {"type": "PER", "start": 8, "end": 11, "text": "Bob"},
    ]
    assert first["relations"] == [
        {"row": 0, "subject": 0, "object": 1, "label": "knows", "score": 0.75},
        {"row": 1, "subject": 1, "object": 0, "label": "no_relation", "score": 0.75},
    ]
    assert [one["row"] for one in last["relations"]] == [2, 3]
    assert last["entities"][1]["start"] == 9
    relations, tagger = lines
    assert [one[:2] for one in relations.kept] == [("r-1", n) for n in range(4)]
    assert relations.kept[0][2] == MARKED
    assert [inputs["tokens"] for _, _, inputs in tagger.kept] == [
        ["Ada", "met", "Bob"], [], ["nobody", "here"], ["Eve", "saw", "Dan"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        {"inputs": {"text": ["Ada met Bob"]}},
        {"instances": [{"text": "Ada met Bob"}]},
        {"dataframe_records": [{"text": "Ada met Bob", "source": "a column that nobody reads"}]},
        {"dataframe_split": {"columns": ["text"], "data": [["Ada met Bob"]]}},
    ],
)
def test_each_form_of_a_request(lines: tuple[Line, Line], content: Any) -> None:
    (found,) = ask(lines, content).json()["predictions"]
    assert len(found["relations"]) == 2


def test_marked_entities_are_asked_as_without_the_tagging_line(lines: tuple[Line, Line]) -> None:
    found = ask(lines, {"inputs": [MARKED]})
    assert found.json() == {"predictions": [{"label": "knows", "score": 0.75}]}
    assert "x-entities-version" not in found.headers
    assert lines[1].kept == []


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        ({"inputs": [3]}, 400, "text of row 0 is 3; right would be a text"),
        ({"inputs": [["a"]]}, 400, "right would be a text"),
        ({"rows": ["a"]}, 400, "right would be one of"),
        ({"inputs": [{"text": "a", "subject_start": 0}]}, 400, "the model reads 'subject_end'"),
        ({"inputs": ["a", MARKED]}, 400, "row 0 is"),
        ({"inputs": ["a"] * 9}, 413, "send at most 8 at once"),
        ({"inputs": ["Ada met Bob and Eve"] * 2}, 413, "make 12 pairs; send fewer texts at once"),
    ],
)
def test_what_is_wrong_with_a_request(
    lines: tuple[Line, Line], content: Any, status: int, said: str
) -> None:
    found = ask(lines, content)
    assert found.status_code == status, found.text
    assert said in found.json()["message"]
    assert lines[0].kept == []


def test_a_tagging_line_may_take_fewer_texts_at_once(lines: tuple[Line, Line]) -> None:
    lines[1].settings = ServingSettings(max_waiting_rows=2)
    found = ask(lines, {"inputs": ["a"] * 3})
    assert found.status_code == 413
    assert (
        "at most 2 at once (setting serving.max_waiting_rows of names)" in found.json()["message"]
    )


def test_a_long_text_of_many_pairs_is_refused(lines: tuple[Line, Line]) -> None:
    """Each pair is a row that holds the whole text."""
    lines[0].settings = ServingSettings(max_waiting_rows=8, max_request_bytes=1_024)
    text = "Ada met Bob and Eve" + " a" * 100
    found = ask(lines, {"inputs": [text]})
    assert found.status_code == 413
    assert "make 6 pairs, whose texts have 1,314 characters together" in found.json()["message"]
    assert lines[0].kept == []
    assert ask(lines, {"inputs": ["Ada met Bob" + " a" * 100]}).status_code == 200


def test_pairs_are_bounded_and_it_is_said_how_many_were_left_out(lines: tuple[Line, Line]) -> None:
    (found,) = ask(lines, {"inputs": ["Ada met Bob and Eve"]}, max_pairs=2).json()["predictions"]
    assert [(one["subject"], one["object"]) for one in found["relations"]] == [(0, 1), (1, 0)]
    assert found["pairs_left_out"] == 4


@pytest.mark.parametrize(
    ("error", "status"), [(AnswerFailedError("no number"), 500), (UnansweredError("late"), 503)]
)
def test_a_tagging_line_that_does_not_answer_fails_the_request(
    lines: tuple[Line, Line], error: Exception, status: int
) -> None:
    def fail(_: dict[str, Any]) -> Any:
        raise error

    found = ask((lines[0], Line(NAMES, fail)), {"inputs": ["Ada met Bob"]})
    assert found.status_code == status
    assert lines[0].kept == []


def test_both_lines_are_in_what_is_told_of_the_server(lines: tuple[Line, Line]) -> None:
    health = ask(lines, None, "/health")
    assert health.json()["line"] == "pairs"
    assert (health.json()["entities"]["line"], health.json()["entities"]["version"]) == ("names", 7)
    assert ask(lines, None, "/ping").status_code == 200
    for path in ("/metrics", "/metrics/entities"):
        assert "assayline_ready 1.0" in ask(lines, None, path).text
    lines[1].ready = False
    assert ask(lines, None, "/ping").status_code == 503
    assert ask(lines, None, "/health").status_code == 503
