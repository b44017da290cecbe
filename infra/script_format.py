"""A registered version of a task type that transformers has no pipeline for.

The folder is MLflow's "models from code": a script as it stands in this project, the evaluated
checkpoint byte for byte in ``artifacts/model/``, and beside them the signature, an example and the
pinned requirements. Nothing is pickled. See docs/decisions/0012-how-a-version-is-served.md.
"""

from collections.abc import Mapping, Sequence
from filecmp import cmp
from pathlib import Path
from typing import Any, Final

from infra.errors import BaseModelError
from infra.model_format import UNSAFE_SUFFIXES, pinned_requirements, refuse_code

MODEL_FOLDER: Final = "artifacts/model"
# What MLflow adds where it is run in a folder that the tool uv manages.
UV_FILES: Final = ("uv.lock", "pyproject.toml", ".python-version")
_TYPE_NAMES: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "long",
    float: "double",
}


def write_script_model(
    checkpoint: Path,
    folder: Path,
    *,
    script: Path,
    settings: Mapping[str, int],
    inputs: Mapping[str, str],
    examples: Sequence[Mapping[str, Any]],
    answers: Sequence[Mapping[str, Any]],
    beside: Mapping[str, Path] | None = None,
    libraries: Sequence[str] = (),
) -> tuple[str, ...]:
    """Write a trained model and the script that answers for it as an MLflow model.

    Args:
        checkpoint: folder as transformers saves it, with the tokenizer.
        folder: where to write; must not exist.
        script: file that MLflow runs to load the model; see `tasks.task_types.served`.
        settings: what the script finds in ``context.model_config``.
        inputs: kind of each input column by name: text, texts, turns, number, integer
            or label.
        examples: rows that show the input.
        answers: what the model was seen to answer, one or more, for the signature.
        beside: further files of code that the script finds in ``context.artifacts``, by name.
        libraries: what these need beside what every version does.

    Returns:
        The pinned requirements.

    Raises:
        BaseModelError: the checkpoint holds a file that would run code when it is loaded, or the
            script cannot be run.

    """
    refuse_code(checkpoint)
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.exceptions import MlflowException

    requirements, beside = pinned_requirements(libraries), dict(beside or {})
    try:
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(script),
            artifacts={"model": str(checkpoint), **{name: str(p) for name, p in beside.items()}},
            model_config=dict(settings),
            signature=_signature(inputs, answers),
            input_example=pd.DataFrame([dict(example) for example in examples]),
            pip_requirements=list(requirements),
        )
    except MlflowException as error:
        raise BaseModelError(f"{script.name} cannot serve a model: {error}") from error
    (folder / "artifacts" / checkpoint.name).rename(folder / MODEL_FOLDER)
    for name in UV_FILES:
        (folder / name).unlink(missing_ok=True)
    _forget_the_local_paths(folder, script.name, beside)
    _check_written(folder, checkpoint, script, beside)
    return requirements


def _signature(inputs: Mapping[str, str], answers: Sequence[Mapping[str, Any]]) -> Any:
    """One column an input, one an entry of the answers; what nests there is any JSON."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, Array, ColSpec, Object, Property, Schema

    turn = Object([Property("role", "string"), Property("content", "string")])
    kinds = {
        "text": "string",
        "texts": Array("string"),
        "turns": Array(turn),
        "number": "double",
        "integer": "long",
        "label": "string",
    }
    found = {name: {type(answer[name]) for answer in answers} for name in answers[0]}
    names = {name: [_TYPE_NAMES.get(kind) for kind in types] for name, types in found.items()}
    return ModelSignature(
        inputs=Schema([ColSpec(kinds[kind], name) for name, kind in inputs.items()]),
        outputs=Schema(
            [
                ColSpec((types[0] if len(types) == 1 else None) or AnyType(), name)
                for name, types in names.items()
            ]
        ),
    )


def _forget_the_local_paths(folder: Path, script: str, beside: Mapping[str, Path]) -> None:
    """MLflow notes where script and checkpoint lay on this machine, and reads neither note."""
    places = {"model": MODEL_FOLDER, **{name: _place(path) for name, path in beside.items()}}
    from mlflow.models import Model

    description = Model.load(str(folder))
    description.flavors["python_function"] |= {
        "model_code_path": script,
        "artifacts": {name: {"path": place, "uri": place} for name, place in places.items()},
    }
    description.save(str(folder / "MLmodel"))


def _place(path: Path) -> str:
    """Where MLflow puts a file beside the script."""
    return f"artifacts/{path.name}"


def _check_written(
    folder: Path, checkpoint: Path, script: Path, beside: Mapping[str, Path]
) -> None:
    """That the files of code are ours, and that the model is the one that was evaluated.

    Raises:
        BaseModelError: it is not so.

    """
    code = {path for path in folder.rglob("*") if path.suffix.lower() in UNSAFE_SUFFIXES}
    written = {
        path: folder / MODEL_FOLDER / path.relative_to(checkpoint)
        for path in checkpoint.rglob("*")
        if path.is_file()
    }
    ours = {script: folder / script.name}
    ours |= {path: folder / _place(path) for path in beside.values()}
    changed = [
        path.name
        for path, copy in {**ours, **written}.items()
        if not copy.is_file() or not cmp(path, copy, shallow=False)
    ]
    others = sorted(path.name for path in code - set(ours.values()))
    if changed or others:
        raise BaseModelError(
            f"MLflow wrote the model otherwise than it was given: changed {changed}, added "
            f"{others}; this version of MLflow cannot be used"
        )
