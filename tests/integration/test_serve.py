"""A line behind HTTP on real servers: what it answers, what it keeps, and how it moves on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.settings import Settings
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.registry.answers import Expected, held_out_rows, is_same
from tasks.registry.registration import register_version
from tests.served_line import (
    ServedLine,
    put_in_production,
    serving,
)

LINE = "served-topics"
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def expected(candidate: Any, store: ObjectStore) -> list[Expected]:
    return held_out_rows(candidate.data, candidate.scores, 24, store)


@pytest.fixture(scope="module")
def versions(candidate: Any, store: ObjectStore, tracking: Tracking, tmp_path_factory: Any) -> Any:
    """Three versions of one line; the second has other weights, the third lies about its answers."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("other")
    store.get_folder(candidate.weights.artifact, folder)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"] *= -1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    other = replace(
        candidate.weights, artifact=store.put_folder(store.uri("weights", "served-other"), folder)
    )
    scores = evaluate_weights(
        other, candidate.data, None, "classification", EvaluationSettings(),
        store=store, tracking=tracking,
    )  # fmt: skip
    made = []
    for number, (some, scored) in enumerate(
        ((candidate.weights, candidate.scores), (other, scores), (other, scores))
    ):
        version = register_version(
            LINE, candidate.snapshot, candidate.data, candidate.tokens, candidate.base,
            replace(some, training_s=number), scored, candidate.fairness, "classification",
            store=store, tracking=tracking,
        )  # fmt: skip
        made.append(version)
    return made


@pytest.fixture(scope="module")
def running(
    candidate: Any, versions: Any, store: ObjectStore, tracking: Tracking,
    mlflow_settings: Settings, tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServedLine]:  # fmt: skip
    put_in_production(LINE, versions[0].version, store, tracking)
    folder = tmp_path_factory.mktemp("served")
    with serving(LINE, folder, mlflow_settings, {"record": {"flush_s": 0.5}}) as line:
        yield line
        assert line.end() == 0, line.log.read_text()
        assert "Traceback" not in line.log.read_text()


def test_a_served_model_answers_as_evaluated(
    running: ServedLine, expected: list[Expected], versions: Any
) -> None:
    rows = [dict(one.request) for one in expected]
    answer = running.client.post("/invocations", json={"dataframe_records": rows})
    assert answer.headers["x-model-version"] == str(versions[0].version)
    for said, one in zip(answer.json()["predictions"], expected, strict=True):
        assert is_same(said, one.answer, TOLERANCE)
    alone = [running.ask([one.request["text"]]).json()["predictions"][0] for one in expected[:6]]  # type: ignore[list-item]
    for said, one in zip(alone, expected, strict=False):
        assert is_same(said, one.answer, TOLERANCE)
