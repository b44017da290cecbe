"""The registered artifact served in a process of its own, against the evaluation."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import PromotionError
from infra.registered_artifacts import read_manifest
from infra.serving import ServedModel, served
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.evaluation import Scores
from tasks.records.registry import Judgement, Version
from tasks.registry.answers import Expected, held_out_rows
from tasks.registry.policy import judge_policy
from tasks.registry.registration import register_version
from tasks.registry.settings import PolicySettings, StagingSettings
from tasks.registry.staging import same_predictions, served_answers, stage_version
from tasks.verdicts import Estimate, Gate, Verdict

SETTINGS = StagingSettings(rows=20, latency_requests=80, warm_up_requests=2)
LIMITS = {"start_timeout_s": 180.0, "request_timeout_s": 60.0}


@pytest.fixture(scope="module")
def version(candidate: Any, store: ObjectStore, tracking: Tracking) -> Version:
    return register_version(
        "served", candidate.snapshot, candidate.data, candidate.tokens, candidate.base,
        candidate.weights, candidate.scores, candidate.fairness, "classification",
        store=store, tracking=tracking,
    )  # fmt: skip


@pytest.fixture(scope="module")
def manifest(version: Version, store: ObjectStore) -> bytes:
    return read_manifest(version.manifest_sha256, store)


@pytest.fixture(scope="module")
def model(version: Version, manifest: bytes, tracking: Tracking) -> Iterator[ServedModel]:
    with served(tracking.url, f"models:/served/{version.version}", manifest, **LIMITS) as running:
        yield running


@pytest.fixture
def expected(candidate: Any, store: ObjectStore) -> list[Expected]:
    return held_out_rows(candidate.data, candidate.scores, 20, store)


def judged(candidate: Any, staging: Estimate) -> Verdict:
    policy = PolicySettings(
        gates=(
            Gate(metric="quality.macro_f1", at_least=-1),
            Gate(metric="staging.same_predictions", at_least=1.0),
        )
    )
    from tasks.records.registry import Staged

    judgement: Judgement = judge_policy(
        policy, candidate.scores, candidate.fairness, Staged(1, (staging,), (), "a" * 64)
    )
    return judgement.gates[1].verdict


def altered(scores: Scores, store: ObjectStore) -> Scores:
    """The scores with another label answered to one of the first rows."""
    table = pq.read_table(io.BytesIO(store.get_bytes(scores.artifact.uri)))
    rows = sorted(table.to_pylist(), key=lambda row: str(row["row_id"]))
    answer = json.loads(rows[3]["answer"])
    answer["label"] = "film" if answer["label"] != "film" else "sport"
    rows[3]["answer"] = json.dumps(answer)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), buffer)
    return replace(
        scores, artifact=store.put_bytes(store.uri("scores", "altered"), buffer.getvalue())
    )


def test_the_artifact_serves_what_was_evaluated_and_becomes_staging(
    version: Version, candidate: Any, store: ObjectStore, tracking: Tracking
) -> None:
    staged = stage_version(
        version, candidate.weights, candidate.data, candidate.scores, SETTINGS,
        store=store, tracking=tracking,
    )  # fmt: skip
    found = {estimate.name.removeprefix("staging."): estimate for estimate in staged.estimates}
    assert found["same_predictions"].value == 1.0
    assert found["same_predictions"].n == 20
    assert found["latency_p95_ms"].n == 80
    low, high, value = (getattr(found["latency_p95_ms"], end) for end in ("low", "high", "value"))
    assert 0 < low <= value <= high < 60_000
    size = found["size_mb"].value
    assert size is not None
    assert 0.15 < size < 1
    assert found["load_s"].value
    assert 50 < (found["memory_mb"].value or 0) < 5_000
    assert any(line.startswith("torch==") for line in staged.requirements)
    assert tracking.aliases("served")["staging"] == version.version
    assert judged(candidate, found["same_predictions"]) is Verdict.PASS


def test_the_rows_are_held_out_and_the_same_each_time(
    candidate: Any, expected: list[Expected], store: ObjectStore
) -> None:
    assert held_out_rows(candidate.data, candidate.scores, 20, store) == expected
    assert held_out_rows(candidate.data, candidate.scores, 5, store) == expected[:5]
    assert len(held_out_rows(candidate.data, candidate.scores, 1000, store)) == 60
    table = pq.read_table(io.BytesIO(store.get_bytes(candidate.data.clean.uri)))
    split = dict(zip(table["text"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert {split[row.request["text"]] for row in expected} == {"test"}
    # Else equal labels would prove nothing.
    assert len({str(row.answer["label"]) for row in expected}) > 1


def test_the_evaluated_answers_are_those_of_transformers_alone(
    candidate: Any, expected: list[Expected], store: ObjectStore, tmp_path: Path
) -> None:
    from transformers import pipeline

    folder = store.get_folder(candidate.weights.artifact, tmp_path / "model")
    ask = pipeline("text-classification", str(folder), device="cpu")
    for row in expected:
        (said,) = ask([row.request["text"]], truncation=True, max_length=16)
        assert said["label"] == row.answer["label"]
        assert said["score"] == pytest.approx(row.answer["score"], abs=1e-5)


def test_one_wrong_prediction_fails_the_gate(
    model: ServedModel, candidate: Any, store: ObjectStore
) -> None:
    rows = held_out_rows(candidate.data, altered(candidate.scores, store), 20, store)
    estimate = same_predictions(served_answers(model, rows), rows, 1e-4)
    assert estimate.value == 19 / 20
    assert judged(candidate, estimate) is Verdict.FAIL


def test_a_score_that_is_off_is_not_the_same(model: ServedModel, expected: list[Expected]) -> None:
    answers = served_answers(model, expected)
    assert same_predictions(answers, expected, 1e-4).value == 1.0
    off = [
        replace(row, answer={**row.answer, "score": float(str(row.answer["score"])) + 0.001})
        for row in expected
    ]
    assert same_predictions(answers, off, 1e-4).value == 0.0
    assert same_predictions(answers, off, 0.002).value == 1.0


@pytest.mark.parametrize("path", ["/nowhere", "/version"])
def test_an_answer_that_is_no_prediction_is_not_the_same(
    model: ServedModel, expected: list[Expected], path: str
) -> None:
    class Elsewhere:
        """Asks the same server for something that it answers otherwise."""

        def post(self, _path: str, **_body: object) -> Any:
            return model.client.request("GET", path)

    deaf = replace(model, client=Elsewhere())  # type: ignore[arg-type]
    assert same_predictions(served_answers(deaf, expected), expected, 1e-4).value == 0.0


def test_scores_of_rows_that_the_data_lacks_are_refused(candidate: Any, store: ObjectStore) -> None:
    empty = pq.read_table(io.BytesIO(store.get_bytes(candidate.data.clean.uri))).slice(0, 10)
    buffer = io.BytesIO()
    pq.write_table(empty, buffer)
    clean = store.put_bytes(store.uri("clean", "few"), buffer.getvalue())
    with pytest.raises(PromotionError, match="not all are among the clean rows"):
        held_out_rows(replace(candidate.data, clean=clean), candidate.scores, 20, store)


def test_the_process_sees_neither_the_project_nor_its_keys(model: ServedModel) -> None:
    process = psutil.Process(model.process.pid)
    assert process.cmdline()[1:3] == ["-I", "-S"]
    environment = process.environ()
    assert not [name for name in environment if name.startswith(("ASSAYLINE_", "PYTHON"))]
    mapped = [entry.path for entry in process.memory_maps()]
    assert any("libtorch" in path for path in mapped)
    assert Path(process.cwd()).name.startswith("assayline-serving-")


def test_a_process_that_dies_under_the_requests_is_never_a_pass(
    version: Version, manifest: bytes, tracking: Tracking, expected: list[Expected]
) -> None:
    with served(tracking.url, f"models:/served/{version.version}", manifest, **LIMITS) as running:
        assert running.predict([{"text": "a"}])
        running.process.kill()
        running.process.wait()
        with pytest.raises(PromotionError, match="ended with exit code -9"):
            served_answers(running, expected)


def test_a_version_that_does_not_load_is_told_with_its_last_output(
    manifest: bytes, tracking: Tracking
) -> None:
    with (
        pytest.raises(PromotionError, match=r"exit code 1.*\n.*version=777\) not found"),
        served(tracking.url, "models:/served/777", manifest, **LIMITS),
    ):
        pass


def test_a_start_that_takes_too_long_is_ended(
    version: Version, manifest: bytes, tracking: Tracking
) -> None:
    before = {child.pid for child in psutil.Process().children()}
    with (
        pytest.raises(PromotionError, match=r"did not serve within 0\.5 s"),
        served(
            tracking.url, f"models:/served/{version.version}", manifest,
            start_timeout_s=0.5, request_timeout_s=1,
        ),
    ):  # fmt: skip
        pass
    assert {child.pid for child in psutil.Process().children()} <= before


def test_no_process_outlives_the_one_that_started_it(
    version: Version, manifest: bytes, tracking: Tracking
) -> None:
    code = (
        "import sys, time; from infra.serving import served\n"
        f"with served({tracking.url!r}, 'models:/served/{version.version}', {manifest!r},"
        " start_timeout_s=180, request_timeout_s=60) as m:\n"
        "    print(m.process.pid, flush=True); time.sleep(300)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the serving process still runs"
        time.sleep(0.1)
