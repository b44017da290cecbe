"""Every task type that a script serves: loaded with mlflow, torch and transformers alone.

The models are tiny ones with random weights: what is tried is that the registered form answers any
request, and answers a row as the task type itself does.
"""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from infra.script_format import write_script_model
from tasks.registry.answers import is_same
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.requests import example_requests, probe_requests, request_of
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.server import SERVERS, server_of
from tests.unit.task_types.every_task_type import (
    TEXTS,
    base_models,
    labels_of,
    rows_of,
    trained,
)

LIMITS = TokenLimits(max_length=40, stride=8, max_target_length=8)
SERVED = sorted(name for name in SERVERS.names if server_of(name).script)
_ASK = """
import json, sys
sys.path.append(sys.argv[1])
sys.modules.update(dict.fromkeys(("tasks", "infra", "flows", "prefect", "boto3", "accelerate")))
import mlflow.pyfunc, pandas as pd
said = {}
for name, (folder, rows) in json.load(sys.stdin).items():
    model = mlflow.pyfunc.load_model(folder)
    said[name] = [model.predict(pd.DataFrame([row]))[0] for row in rows]
print(json.dumps(said, allow_nan=False))
"""


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return base_models(tiny_model, tmp_path_factory.mktemp("bases"))


@pytest.mark.slow
def test_every_script_answers_as_its_task_type_does(
    bases: Mapping[str, Path], tiny_model: Path, tmp_path: Path
) -> None:
    asked, evaluated, keys = {}, {}, {}
    for name in SERVED:
        shape, script = shape_of(name), server_of(name).script
        labels, rows = labels_of(shape), rows_of(shape, labels_of(shape))
        checkpoint = trained(name, bases.get(name, tiny_model), labels, tmp_path / f"{name}-model")
        predicted = examiner_of(name, labels, LIMITS).predict(checkpoint, rows)
        answers = predicted.column("answer").to_pylist()
        evaluated[name] = [None if answer is None else json.loads(answer) for answer in answers]
        assert script
        write_script_model(
            checkpoint, tmp_path / name, script=script, settings=vars(LIMITS),
            inputs={column.name: column.kind for column in shape.inputs},
            examples=example_requests(shape),
            answers=[answer for answer in evaluated[name] if answer is not None],
        )  # fmt: skip
        signature = yaml.safe_load((tmp_path / name / "MLmodel").read_text())["signature"]
        keys[name] = {column["name"] for column in json.loads(signature["outputs"])}
        requests = [request_of(shape, row) for row in rows.to_pylist()]
        requests += example_requests(shape) + probe_requests(shape)
        asked[name] = (str(tmp_path / name), requests)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _ASK, sysconfig.get_path("purelib")],
        capture_output=True, text=True, timeout=240, check=False, cwd="/", input=json.dumps(asked),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert sorted(said) == SERVED
    for name, answers in said.items():
        assert len(answers) == len(TEXTS) + 7
        assert all(answer.keys() == keys[name] for answer in answers), name
        for served, answer in zip(answers[: len(TEXTS)], evaluated[name], strict=True):
            assert answer is None or is_same(served, answer, 1e-4), (name, served, answer)
        assert any(answer is not None for answer in evaluated[name]), name
    assert "Add type hints" not in done.stderr
