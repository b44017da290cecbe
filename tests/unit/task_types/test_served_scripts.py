"""That every script keeps to what `tasks.task_types.served` asks for, by its source."""

import ast
import sys
from pathlib import Path

import pytest

import tasks.task_types.served
from infra.model_format import RUNTIME_LIBRARIES
from infra.onnx_files import READERS
from tasks.task_types.server import (
    COMPRESSED_SCRIPT,
    NETWORK_MODULE,
    SERVERS,
    Server,
    server_of,
)

FOLDER = Path(tasks.task_types.served.__file__).parent
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.name != "__init__.py")


def imported(tree: ast.Module) -> set[str]:
    """Top-level packages of all imports, within functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import leads out of the script"
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_imports_what_a_version_requires_and_nothing_else(script: Path) -> None:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    assert imported(tree) <= {*RUNTIME_LIBRARIES, *sys.stdlib_module_names}
    last = ast.unparse(tree.body[-1])
    assert last.startswith(("set_model(", "mlflow.models.set_model(")), last


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_that_it_reads_a_data_frame(script: Path) -> None:
    """Without that annotation MLflow warns whenever the version is loaded."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    (predict,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.name == "predict"
        and any(argument.arg == "context" for argument in node.args.args)
    ]
    (rows,) = [argument for argument in predict.args.args if argument.arg == "model_input"]
    assert rows.annotation is not None
    assert ast.unparse(rows.annotation).endswith("DataFrame")


@pytest.mark.parametrize("name", SERVERS.names)
def test_a_task_type_has_either_a_pipeline_or_a_script(name: str) -> None:
    server = server_of(name)
    assert (server.pipeline is None) is not (server.script is None)
    assert server.script is None or server.script in SCRIPTS


def test_a_server_that_is_both_or_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="by a pipeline or by a script"):
        Server()
    with pytest.raises(ValueError, match="name one of the two"):
        Server(pipeline="fill-mask", script=tmp_path)


def test_every_script_serves_a_task_type() -> None:
    used = {server_of(name).for_compressed for name in SERVERS.names} | {COMPRESSED_SCRIPT}
    assert {path.name for path in SCRIPTS if path not in used} == set()


def test_what_runs_a_compressed_network_imports_nothing_of_this_project() -> None:
    """It goes into registered versions beside their script."""
    packages = imported(ast.parse(NETWORK_MODULE.read_text(encoding="utf-8")))
    assert packages <= {*RUNTIME_LIBRARIES, *READERS, *sys.stdlib_module_names}
