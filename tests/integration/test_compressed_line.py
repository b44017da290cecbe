"""A line whose model is compressed before it is judged: promoted, asked, scored, and refused."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from infra.onnx_files import ONNX_FILE
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.answers import is_same, kept_answers
from tasks.registry.ledger import read_ledger
from tasks.registry.version_tags import ANSWERS_TAG, COMPRESSION_TAG
from tests.conftest import RunningStack
from tests.integration.test_distilled_line import RUN_S, policy, write_config, write_topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * RUN_S)]

LINE = "topics-int8"
INT8 = {"method": "onnx_int8"}
GATES = [
    {"metric": "uncompressed.macro_f1_gain", "at_least": -0.3},
    {"metric": "uncompressed.agreement", "at_least": 0.6},
    {"metric": "uncompressed.size_share", "at_most": 0.95},
    {"metric": "uncompressed.slice.label.film.row_score_gain", "at_least": -0.5},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("compressed")
    write_topics(made / "topics.csv")
    return made


def line_of(folder: Path, base: Path, **settings: Any) -> Path:
    scoring = {"columns": {"text": "text"}}
    return write_config(
        folder, "int8.yaml", base, line=LINE,
        **{"policy": policy(*GATES), "compression": INT8, "scoring": scoring} | settings,
    )  # fmt: skip


@pytest.fixture(scope="module")
def first_run(stack: RunningStack, folder: Path, tiny_model: Path) -> str:
    """What `assayline run` printed."""
    done = stack.assayline("run", str(line_of(folder, tiny_model)), timeout_s=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def version(stack: RunningStack, first_run: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The version in production, as a consumer downloads it."""
    assert first_run
    return Tracking(stack.settings).download_artifact(LINE, 1, tmp_path_factory.mktemp("version"))


def test_a_compressed_model_goes_to_production(stack: RunningStack, first_run: str) -> None:
    for gate in GATES:
        assert str(gate["metric"]) in first_run
    assert f"models:/{LINE}@production version 1" in first_run
    tracking = Tracking(stack.settings)
    assert tracking.aliases(LINE)["production"] == 1
    assert tracking.version_tags(LINE, 1)[COMPRESSION_TAG] == "onnx_int8"
    run = tracking._client.get_model_version(LINE, "1").run_id
    metrics = tracking._client.get_run(run).data.metrics
    assert metrics["test_uncompressed_size_share"] < 0.95
    assert metrics["test_uncompressed_speed_up"] > 0


def test_what_was_evaluated_is_what_is_registered(version: Path) -> None:
    files = {path.name for path in (version / "artifacts" / "model").iterdir()}
    assert ONNX_FILE in files
    assert "model.safetensors" not in files
    said = (version / "requirements.txt").read_text()
    assert "onnxruntime==" in said


def test_a_batch_is_scored_by_it(
    stack: RunningStack, folder: Path, first_run: str, tmp_path: Path
) -> None:
    assert first_run
    batch = tmp_path / "batch.csv"
    with (folder / "topics.csv").open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source))[:40]
    with batch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text"])
        writer.writeheader()
        writer.writerows({"text": row["text"]} for row in rows)
    asked = ("score", LINE, str(batch), "--json", "--output", str(tmp_path / "out"))
    done = stack.assayline(*asked, timeout_s=RUN_S)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["version"], told["rows"]) == (1, 40)
    scored = pq.read_table(told["files"][0]).to_pylist()
    right = [one["label"] == row["label"] for one, row in zip(scored, rows, strict=True)]
    assert sum(right) > 24


def test_a_gate_on_what_compression_costs_refuses(
    stack: RunningStack, folder: Path, tiny_model: Path, first_run: str
) -> None:
    assert first_run
    gate = {"metric": "uncompressed.size_share", "at_most": 0.3}
    path = line_of(
        folder, tiny_model, policy=policy(gate), training={"epochs": 3, "learning_rate": 4e-3,
                                                            "batch_size": 8},
    )  # fmt: skip
    done = stack.assayline("run", str(path), timeout_s=RUN_S)
    assert done.returncode != 0
    assert "uncompressed.size_share" in done.stdout
    entries = read_ledger(ObjectStore(stack.settings), LINE)
    assert [entry.action for entry in entries] == ["promoted", "refused"]
    assert Tracking(stack.settings).aliases(LINE)["production"] == 1


def test_its_requirements_alone_make_an_environment_that_answers_as_it_was_proven(
    stack: RunningStack, version: Path, tmp_path: Path
) -> None:
    """On a machine that knows the version's folder and nothing of this project."""
    tracking = Tracking(stack.settings)
    kept = kept_answers(tracking.version_tags(LINE, 1)[ANSWERS_TAG], ObjectStore(stack.settings))
    python = tmp_path / "alone" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "alone"], check=True)
    requirements = version / "requirements.txt"
    install = [python, "-m", "pip", "install", "--quiet", "-r", requirements]
    subprocess.run(install, check=True, timeout=RUN_S)
    code = (
        "import json, sys, mlflow, pandas\n"
        f"model = mlflow.pyfunc.load_model({str(version)!r})\n"
        "rows = json.loads(sys.stdin.read())\n"
        "said = [model.predict(pandas.DataFrame([row]))[0] for row in rows]\n"
        "print(json.dumps(said))\n"
    )
    asked = json.dumps([row.request for row in kept.rows])
    done = subprocess.run(
        [python, "-I", "-c", code], input=asked, capture_output=True, text=True, check=False,
        timeout=240, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert len(said) == len(kept.rows) > 50
    for now, row in zip(said, kept.rows, strict=True):
        assert is_same(now, row.answer, kept.tolerance)
