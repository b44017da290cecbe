"""A model that a script serves, as it is written to a folder."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.errors import BaseModelError
from infra.model_format import pinned_requirements
from infra.script_format import write_script_model

SCRIPT = """
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

class Echo(PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        return [{**row, **context.model_config} for row in model_input.to_dict("records")]

set_model(Echo())
"""
TURNS = [{"role": "user", "content": "你好"}]
FORM: dict[str, Any] = {
    "settings": {"max_length": 16, "stride": 0, "max_target_length": 8},
    "inputs": {"text": "text", "tokens": "texts", "messages": "turns"},
    "examples": [{"text": "2024", "tokens": ["a", "1"], "messages": TURNS}],
    "answers": [
        {"text": "a", "score": 0.5, "count": 1, "sure": True, "tags": ["a"], "span": None},
        {"text": "b", "score": 1, "count": 2, "sure": False, "tags": [], "span": "b"},
    ],
}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "echo.py").write_text(SCRIPT, encoding="utf-8")
    return tmp_path / "echo.py"


def test_the_folder_holds_the_checkpoint_the_script_and_no_path_of_this_machine(
    tiny_model: Path, script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModel, AutoTokenizer

    # In a folder that uv manages MLflow would take its files along.
    monkeypatch.chdir(tmp_path)
    for name in ("uv.lock", "pyproject.toml"):
        (tmp_path / name).write_text("private = 1\n", encoding="utf-8")
    written = write_script_model(tiny_model, tmp_path / "out", script=script, **FORM)
    assert written == pinned_requirements()
    files = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*")}
    assert {name for name in files if "/" not in name} == {
        "MLmodel", "artifacts", "conda.yaml", "echo.py", "input_example.json", "python_env.yaml",
        "requirements.txt", "serving_input_example.json",
    }  # fmt: skip
    model = tmp_path / "out" / "artifacts" / "model"
    assert {p.name: p.read_bytes() for p in model.iterdir()} == {
        p.name: p.read_bytes() for p in tiny_model.iterdir()
    }
    AutoModel.from_pretrained(model)
    AutoTokenizer.from_pretrained(model)
    for path in (tmp_path / "out").iterdir():
        if path.is_file():
            said = path.read_text(encoding="utf-8")
            assert not [p for p in (tmp_path, tiny_model, Path.home()) if str(p) in said], path


def test_the_signature_says_what_goes_in_and_what_comes_out(
    tiny_model: Path, script: Path, tmp_path: Path
) -> None:
    write_script_model(tiny_model, tmp_path / "out", script=script, **FORM)
    signature = yaml.safe_load((tmp_path / "out" / "MLmodel").read_text())["signature"]
    inputs = {column["name"]: column["type"] for column in json.loads(signature["inputs"])}
    outputs = {column["name"]: column["type"] for column in json.loads(signature["outputs"])}
    assert inputs == {"text": "string", "tokens": "array", "messages": "array"}
    # A score that was a whole number once, a list and what is missing at times: any JSON.
    assert outputs == {
        "text": "string", "score": "any", "count": "long", "sure": "boolean", "tags": "any",
        "span": "any",
    }  # fmt: skip


def test_rows_reach_the_script_as_they_were_sent(
    tiny_model: Path, script: Path, tmp_path: Path
) -> None:
    import mlflow
    import pandas as pd

    write_script_model(tiny_model, tmp_path / "out", script=script, **FORM)
    rows = [
        {"text": text, "tokens": tokens, "messages": turns}
        for text, tokens, turns in (
            ("", [], [{"role": "user", "content": ""}]), ("null", ["NaN", "1e3"], TURNS),
            ("2024-01-01", ["'a'", '["b"]'], TURNS * 3), ("的" * 3000, ["True"] * 900, TURNS),
        )
    ]  # fmt: skip
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "out"))
    assert loaded.predict(pd.DataFrame(rows)) == [{**row, **FORM["settings"]} for row in rows]


def test_what_would_run_code_or_cannot_run_is_refused(
    tiny_model: Path, script: Path, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (folder / "modeling.py").write_text("", encoding="utf-8")
    with pytest.raises(BaseModelError, match=r"holds modeling\.py"):
        write_script_model(folder, tmp_path / "out", script=script, **FORM)
    (folder / "modeling.py").unlink()
    for number, (code, what) in enumerate(
        (("import no_such_module", "no_such_module"), ("1 / 0", "division"))
    ):
        script.write_text(code, encoding="utf-8")
        with pytest.raises(BaseModelError, match=rf"echo\.py cannot serve a model: .*{what}"):
            write_script_model(folder, tmp_path / f"out{number}", script=script, **FORM)


def test_a_folder_that_is_not_what_was_given_is_refused(
    tiny_model: Path, script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.pyfunc

    save = mlflow.pyfunc.save_model

    def meddle(path: str, **form: Any) -> None:
        save(path, **form)
        (Path(path) / "python_model.pkl").write_bytes(b"")
        (Path(path) / "echo.py").write_text("import os", encoding="utf-8")

    monkeypatch.setattr("mlflow.pyfunc.save_model", meddle)
    with pytest.raises(BaseModelError, match=r"changed \['echo.py'\], added \['python_model.pkl'"):
        write_script_model(tiny_model, tmp_path / "out", script=script, **FORM)
