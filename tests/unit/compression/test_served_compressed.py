"""Compressed versions of every task type that has them, served as they are registered.

Each is written as MLflow's folder, and loaded by MLflow in an interpreter that has nothing of this
project at hand.
"""

import json
import subprocess
import sys
import sysconfig
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.folder_store import FolderStore
from infra.onnx_files import READERS
from infra.script_format import write_script_model
from tasks.compression.compressing import compress_weights
from tasks.compression.settings import CompressionSettings, Method
from tasks.records.training import Weights
from tasks.registry.answers import is_same
from tasks.registry.settings import StagingSettings
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.networks import NETWORKS
from tasks.task_types.requests import example_requests
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.server import COMPRESSED_SCRIPT, NETWORK_MODULE, server_of
from tests.unit.compression.compressed_models import tokens_of, weights_of
from tests.unit.task_types.every_task_type import base_models, labels_of, rows_of, trained

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

METHODS: tuple[Method, ...] = ("onnx", "onnx_int8", "onnx_int8_static", "onnx_int4_weights")
TOLERANCE = StagingSettings().score_tolerance
ASK = """
import json, sys
sys.path += json.loads(sys.argv[1])
import mlflow, pandas as pd
said = {}
for name, folder, rows in json.loads(sys.argv[2]):
    model = mlflow.pyfunc.load_model(folder)
    said[name] = [model.predict(pd.DataFrame([row]))[0] for row in rows]
ours = [name for name in sys.modules if name.split(".")[0] in ("tasks", "infra", "flows")]
print(json.dumps([said, ours], allow_nan=False))
"""


Answers = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Compressed:
    """Compressed models by task type and method.

    Attributes:
        answers: what the evaluation finds for each row, asked all at once.
        asked: name, MLflow's folder and the rows that it is to be asked.

    """

    answers: Answers
    asked: list[tuple[str, str, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def models(
    tiny_model: Path, folder_store: FolderStore, tmp_path_factory: pytest.TempPathFactory
) -> Compressed:
    work = tmp_path_factory.mktemp("every")
    bases = base_models(tiny_model, work)
    made = Compressed({}, [])
    for name in NETWORKS:
        shape = shape_of(name)
        labels = labels_of(shape)
        (work / name).mkdir()
        folder = trained(name, bases.get(name, tiny_model), labels, work / name / "model")
        weights = weights_of(folder, folder_store, labels)
        (work / name / "tokens").mkdir()
        tokens = tokens_of(name, labels, folder, folder_store, work / name / "tokens")
        rows = rows_of(shape, labels)
        inputs = [column.name for column in shape.inputs]
        for method in METHODS:
            key, settings = f"{name} {method}", CompressionSettings(method=method)
            small = compress_weights(folder_store, weights, name, settings, tokens)
            checkpoint = folder_store.get_folder(small.artifact, work / key / "checkpoint")
            said = examiner_of(name, labels, TokenLimits.of(small)).answer(checkpoint, rows)
            answers = [json.loads(one) for one in said.to_pylist()]
            version = _write(name, small, checkpoint, answers, work / key / "mlflow")
            made.answers[key] = answers
            made.asked.append((key, str(version), rows.select(inputs).to_pylist()))
    return made


@pytest.fixture(scope="module")
def served(models: Compressed) -> Answers:
    """What each version answers when it is asked row by row."""
    libraries = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ASK, json.dumps(libraries), json.dumps(models.asked)],
        capture_output=True, text=True, check=False, cwd="/", timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said, ours = json.loads(done.stdout.splitlines()[-1])
    assert ours == []
    return dict(said)


def _write(
    name: str, weights: Weights, checkpoint: Path, answers: list[dict[str, Any]], folder: Path
) -> Path:
    shape, script = shape_of(name), server_of(name).for_compressed
    assert script
    write_script_model(
        checkpoint, folder, script=COMPRESSED_SCRIPT, settings=asdict(TokenLimits.of(weights)),
        inputs={column.name: column.kind for column in shape.inputs},
        examples=example_requests(shape), answers=answers,
        beside={"script": script, "network": NETWORK_MODULE}, libraries=READERS,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_served_version_answers_as_it_was_evaluated(
    name: str, method: str, models: Compressed, served: Answers
) -> None:
    """Asked alone, as evaluated among others: to the tolerance of the staging check."""
    key = f"{name} {method}"
    assert len(served[key]) == len(models.answers[key])
    for ours, theirs in zip(models.answers[key], served[key], strict=True):
        assert is_same(theirs, ours, TOLERANCE), (ours, theirs)


def test_a_version_requires_what_reads_the_network_and_holds_no_other_code(
    models: Compressed,
) -> None:
    for key, folder, _ in models.asked:
        requirements = (Path(folder) / "requirements.txt").read_text().splitlines()
        assert any(line.startswith("onnxruntime==") for line in requirements)
        assert not any(line.startswith(("onnx==", "onnxscript==")) for line in requirements)
        script = server_of(key.split()[0]).for_compressed
        assert script
        code = {path.name for path in Path(folder).rglob("*.py")}
        assert code == {COMPRESSED_SCRIPT.name, NETWORK_MODULE.name, script.name}
        assert not list(Path(folder).rglob("*.safetensors"))
