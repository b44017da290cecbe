"""A task type without a transformers pipeline, from registration to the load test of a rollback."""

import io
import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.registry import Version
from tasks.records.training import Weights
from tasks.registry import registration
from tasks.registry.answers import evaluated_answers, held_out_rows
from tasks.registry.provenance import facts_of
from tasks.registry.registration import register_version
from tasks.registry.settings import StagingSettings
from tasks.registry.staging import load_test, stage_version
from tasks.task_types.server import Server
from tests.integration.conftest import with_answers
from tests.registered import proof_by_tags

SCRIPT = Path(__file__).with_name("served_turns.py")
SETTINGS = StagingSettings(rows=12, latency_requests=72, warm_up_requests=1)


@dataclass(frozen=True)
class Line:
    """A chat candidate with a script of the test's own: conversations about the three topics."""

    data: DataReport
    weights: Weights
    scores: Scores
    version: Version


def conversations(candidate: Any, store: ObjectStore) -> list[dict[str, Any]]:
    table = pq.read_table(io.BytesIO(store.get_bytes(candidate.data.clean.uri)))
    rows = []
    for row in table.filter(pa.compute.field("split") == "test").to_pylist():
        turns = [
            {"role": "system", "content": "用一个词回答"},
            {"role": "user", "content": row["text"]},
            {"role": "assistant", "content": row["label"]},
        ]
        rows.append({"row_id": row["row_id"], "messages": turns, "split": "test"})
    return rows


def answers(folder: Path, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any] | None]:
    """What the script shall answer, by transformers' own pipeline; every third was not asked."""
    from transformers import pipeline

    ask = pipeline("text-classification", str(folder), top_k=None, device="cpu")
    found: dict[str, dict[str, Any] | None] = {}
    for number, row in enumerate(rows):
        text = "\n".join(turn["content"] for turn in row["messages"][:2])
        (said,) = ask([text], truncation=True, max_length=16)
        scores = {item["label"]: item["score"] for item in said}
        answer = {
            "reply": f"主题: {said[0]['label']}", "scores": scores,
            "roles": ["system", "user"], "stride": 3,
        }  # fmt: skip
        found[row["row_id"]] = None if number % 3 == 0 else answer
    return found


@pytest.fixture(scope="module")
def line(
    candidate: Any, store: ObjectStore, tracking: Tracking, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Line]:
    folder = store.get_folder(candidate.weights.artifact, tmp_path_factory.mktemp("w") / "model")
    rows = conversations(candidate, store)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    clean = store.put_bytes(store.uri("clean", "turns.parquet"), buffer.getvalue())
    data = replace(candidate.data, clean=clean, task_type="chat", labels=())
    weights = replace(candidate.weights, labels=(), stride=3, max_target_length=5)
    scores = with_answers(candidate.scores, answers(folder, rows), "turns", store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registration, "server_of", lambda _: Server(script=SCRIPT))
        version = register_version(
            "turns", candidate.snapshot, data, candidate.tokens, candidate.base, weights, scores,
            candidate.fairness, "chat", store=store, tracking=tracking,
        )  # fmt: skip
        yield Line(data, weights, scores, version)


def test_the_script_serves_what_was_evaluated(
    line: Line, store: ObjectStore, tracking: Tracking
) -> None:
    staged = stage_version(
        line.version, line.weights, line.data, line.scores, SETTINGS, store=store, tracking=tracking
    )
    same = next(e for e in staged.estimates if e.name == "staging.same_predictions")
    assert (same.value, same.n) == (1.0, 12)
    assert tracking.aliases("turns")["staging"] == line.version.version
    tags = facts_of("turns", tracking.version_tags("turns", line.version.version), store)
    assert tags["assayline.task_type"] == "chat"
    assert tags["assayline.stride"] == "3"
    assert len(tags["assayline.script_sha256"]) == 64
    assert "assayline.labels" not in tags


def test_the_answer_that_a_conversation_ends_with_is_not_sent(
    line: Line, store: ObjectStore
) -> None:
    expected = held_out_rows(line.data, line.scores, 1000, store)
    assert len(expected) == 40  # of 60 rows, every third was not asked
    for row in expected:
        assert [turn["role"] for turn in row.request["messages"]] == row.answer["roles"]


def test_the_download_is_a_folder_that_transformers_loads(
    line: Line, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    root = tracking.download_artifact("turns", line.version.version, tmp_path / "version")
    folder = tracking.model_of(root, "turns", line.version.version)
    original = store.get_folder(line.weights.artifact, tmp_path / "weights")
    for path in original.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()
    AutoModelForSequenceClassification.from_pretrained(folder)
    AutoTokenizer.from_pretrained(folder)
    assert (root / SCRIPT.name).read_bytes() == SCRIPT.read_bytes()
    assert not [path for path in root.rglob("*") if path.suffix in {".pkl", ".bin", ".pt"}]
    for path in ("MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"):
        said = (root / path).read_text(encoding="utf-8")
        assert "/tmp" not in said
        assert str(SCRIPT.parent) not in said
        assert str(tmp_path.parents[1]) not in said


@pytest.mark.slow
def test_a_rollback_would_find_that_it_answers(
    line: Line, store: ObjectStore, tracking: Tracking
) -> None:
    proof = proof_by_tags("turns", line.version.version, tracking)
    load_test("turns", line.version.version, proof, store=store, tracking=tracking)


@pytest.mark.slow
def test_a_consumer_needs_mlflow_transformers_and_torch_alone(
    line: Line, store: ObjectStore, tracking: Tracking
) -> None:
    expected = held_out_rows(line.data, line.scores, 3, store)
    code = f"""
import sys; sys.path.append({sysconfig.get_path("purelib")!r})
absent = ('tasks', 'infra', 'flows', 'prefect', 'boto3', 'accelerate', 'datasets')
sys.modules.update(dict.fromkeys(absent))
import json, mlflow, pandas
mlflow.set_tracking_uri({tracking.url!r})
model = mlflow.pyfunc.load_model("models:/turns@candidate")
rows = json.loads(sys.stdin.read())
print(json.dumps(model.predict(pandas.DataFrame(rows))))
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True,
                          timeout=120, check=False, cwd="/",
                          input=json.dumps([row.request for row in expected]))  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    for answer, row in zip(json.loads(done.stdout), expected, strict=True):
        assert answer["reply"] == row.answer["reply"]
        assert answer["scores"] == pytest.approx(row.answer["scores"], abs=1e-4)


def test_another_script_makes_another_version(
    line: Line, candidate: Any, store: ObjectStore, tracking: Tracking,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    def again() -> int:
        return register_version(
            "turns", candidate.snapshot, line.data, candidate.tokens, candidate.base, line.weights,
            line.scores, candidate.fairness, "chat", store=store, tracking=tracking,
        ).version  # fmt: skip

    assert again() == line.version.version
    changed = tmp_path / SCRIPT.name
    changed.write_text(SCRIPT.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    monkeypatch.setattr(registration, "server_of", lambda _: Server(script=changed))
    assert again() == line.version.version + 1
    tracking.set_alias("turns", "candidate", line.version.version)


def test_scores_without_answers_are_refused(line: Line, candidate: Any, store: ObjectStore) -> None:
    nobody = with_answers(line.scores, {"a": None, "b": None}, "nobody", store)
    with pytest.raises(PromotionError, match="2 scored rows, and an answer to none"):
        evaluated_answers(nobody, 5, store)
    buffer = io.BytesIO()
    pq.write_table(pa.table({"row_id": ["a"]}), buffer)
    old = store.put_bytes(store.uri("scores", "old.parquet"), buffer.getvalue())
    with pytest.raises(PromotionError, match="without the model's answers"):
        evaluated_answers(replace(line.scores, artifact=old), 5, store)
    pq.write_table(pa.table({"row_id": ["a"], "answer": ["[1]"]}), buffer := io.BytesIO())
    odd = store.put_bytes(store.uri("scores", "odd.parquet"), buffer.getvalue())
    with pytest.raises(PromotionError, match="right would be a JSON object"):
        evaluated_answers(replace(line.scores, artifact=odd), 5, store)
