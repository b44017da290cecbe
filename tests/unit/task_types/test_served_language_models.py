"""The served scripts, in an interpreter without this project, answer as `predict` does."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.requests import example_requests, probe_requests
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.server import server_of
from tests.unit.task_types.language_models import TEXTS, tiny_bert, tiny_gpt2, tiny_llama

pytestmark = pytest.mark.slow

NAMES = ("causal_lm", "masked_lm", "next_sentence", "chat")
LIMITS = TokenLimits(max_length=32, stride=4, max_target_length=12)
DOCUMENTS = (*TEXTS, "The match was [MASK] by a late goal. He [MASK].", "", "2024", "。\uff01" * 30)
ASK = """
import json, sys
from types import SimpleNamespace
import mlflow, pandas as pd
for script, folder, config, rows in json.loads(sys.stdin.read()):
    names = {"__name__": "served"}
    exec(compile(open(script).read(), script, "exec"), names)
    model = [kind for kind in names.values() if isinstance(kind, type)
             and issubclass(kind, mlflow.pyfunc.PythonModel)][0]()
    model.load_context(SimpleNamespace(artifacts={"model": folder}, model_config=config))
    print(json.dumps(model.predict(None, pd.DataFrame(rows)), allow_nan=False))
print(json.dumps([name for name in sys.modules if name.split(".")[0] in ("tasks", "infra")]))
"""


def rows_of(name: str) -> list[dict[str, Any]]:
    """Rows of the task type, with what any model has to answer among them."""
    shape = shape_of(name)
    asked = [*probe_requests(shape), *example_requests(shape)]
    if name == "chat":
        said = [
            [("user", "Was it won?"), ("assistant", "Yes. " * 20), ("user", "By whom?")],
            [("system", "Be short."), ("user", "天气?"), ("assistant", "今天天气很好。")],
        ]
        turns = [[{"role": role, "content": text} for role, text in chat] for chat in said]
        return [*asked, *({"messages": chat} for chat in turns)]
    return [*asked, *({"text": text} for text in DOCUMENTS)]


@pytest.fixture(scope="module")
def models(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {name: tmp_path_factory.mktemp(name) for name in ("gpt2", "bert", "llama")}
    bert = tiny_bert(tiny_model, made["bert"])
    return {
        "causal_lm": tiny_gpt2(made["gpt2"]),
        "masked_lm": bert,
        "next_sentence": bert,
        "chat": tiny_llama(made["llama"]),
    }


@pytest.fixture(scope="module")
def served(models: dict[str, Path]) -> dict[str, Sequence[dict[str, Any]]]:
    """What each script answers; all of them in one process, whose start takes longest."""
    config = {"max_length": 32, "stride": 4, "max_target_length": 12}
    asked = [
        (str(server_of(name).script), str(models[name]), config, rows_of(name)) for name in NAMES
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-c", ASK],
        input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=120,
        cwd=models["chat"],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *answers, ours = [json.loads(line) for line in done.stdout.splitlines()[-len(NAMES) - 1 :]]
    assert ours == []
    return dict(zip(NAMES, answers, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_served_model_answers_as_predict_does(
    name: str, models: dict[str, Path], served: dict[str, Sequence[dict[str, Any]]]
) -> None:
    rows = rows_of(name)
    column = shape_of(name).inputs[0].name
    table = pa.table(
        {
            "row_id": [f"{place:02}" for place in range(len(rows))],
            column: [row[column] for row in rows],
        }
    )
    answers = (
        examiner_of(name, (), LIMITS).predict(models[name], table).column("answer").to_pylist()
    )
    for ours, theirs in zip(map(json.loads, answers), served[name], strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            exact = isinstance(value, str) or key == "tokens" or value is None
            if exact:
                assert theirs[key] == value
            elif key == "scores":
                assert len(theirs[key]) == len(value)
                for row, expected in zip(theirs[key], value, strict=True):
                    assert row == pytest.approx(expected, abs=1e-5)
            else:
                assert theirs[key] == pytest.approx(value, abs=1e-5)
    assert len({json.dumps(answer) for answer in served[name]}) > 1
