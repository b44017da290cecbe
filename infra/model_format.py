"""What a registered version holds: an MLflow model that loads without this project.

Of a task type with a transformers pipeline, the folder is what ``mlflow.transformers`` writes: the
checkpoint's own configuration and safetensors in ``model/`` with the tokenizer, so that plain
transformers loads that folder, the tokenizer once more in ``components/tokenizer/``, where MLflow
looks for it, and beside them the signature, an example and the pinned requirements. Nothing is
pickled and no code is shipped. Of any other, see `infra.script_format`.
"""

import json
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from infra.errors import BaseModelError
from infra.transformers_logs import quiet_transformers

# All that loading and serving a version imports; mlflow brings its scoring server itself.
RUNTIME_LIBRARIES: Final = (
    "mlflow", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pandas",
)  # fmt: skip
# Files that run code when they are loaded.
UNSAFE_SUFFIXES: Final = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".py"})


def pinned_requirements(more: Sequence[str] = ()) -> tuple[str, ...]:
    """The libraries that a version needs, at the versions that it was tried with.

    A local part such as ``+cpu`` is left out: it names a build for some machine, which another
    machine's package index need not have.

    Args:
        more: distributions beside `RUNTIME_LIBRARIES`.

    """
    names = (*RUNTIME_LIBRARIES, *more)
    return tuple(f"{name}=={version(name).split('+')[0]}" for name in names)


def write_pipeline_model(
    checkpoint: Path,
    folder: Path,
    *,
    line: str,
    pipeline: str,
    max_length: int,
    examples: Sequence[str],
) -> tuple[str, ...]:
    """Write a trained text classifier as an MLflow model.

    Args:
        checkpoint: folder as transformers saves it, with the tokenizer.
        folder: where to write; must not exist.
        line: name that the model is known by.
        pipeline: transformers' name of the task, for example ``text-classification``.
        max_length: tokens that a text is cut to.
        examples: texts that show the input.

    Returns:
        The pinned requirements.

    Raises:
        BaseModelError: the checkpoint holds a file that would run code when it is loaded.

    """
    refuse_code(checkpoint)
    import mlflow.transformers
    from huggingface_hub import ModelCard

    requirements = pinned_requirements()
    with quiet_transformers():
        mlflow.transformers.save_model(
            _load_pipeline(checkpoint, pipeline, max_length),
            str(folder),
            signature=_signature(list(examples)),
            input_example=list(examples),
            pip_requirements=list(requirements),
            model_config={"truncation": True, "max_length": max_length},
            # Without a card of ours, MLflow asks the Hugging Face hub for one.
            model_card=ModelCard(f"---\nlibrary_name: transformers\n---\n# {line}\n"),
        )
    _keep_the_checkpoint_bytes(checkpoint, folder / "model")
    # MLflow loads the tokenizer from its own folder; whoever has transformers alone needs one.
    shutil.copytree(folder / "components" / "tokenizer", folder / "model", dirs_exist_ok=True)
    _forget_the_local_path(folder, line)
    return requirements


def refuse_code(checkpoint: Path) -> None:
    """Refuse a checkpoint that would run code when it is loaded.

    Raises:
        BaseModelError: it holds such a file.

    """
    unsafe = sorted(
        path.name for path in checkpoint.rglob("*") if path.suffix.lower() in UNSAFE_SUFFIXES
    )
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    if unsafe or "auto_map" in config:
        what = ", ".join(unsafe) or "the entry auto_map of config.json"
        raise BaseModelError(
            f"the trained model holds {what}, which would run code when it is loaded; only "
            "safetensors and models that transformers itself knows are registered"
        )


def _load_pipeline(checkpoint: Path, name: str, max_length: int) -> Any:
    from transformers import AutoTokenizer, pipeline

    tokenizer = AutoTokenizer.from_pretrained(
        checkpoint, local_files_only=True, trust_remote_code=False
    )
    tokenizer.model_max_length = max_length
    return pipeline(
        name, model=str(checkpoint), tokenizer=tokenizer, device="cpu", trust_remote_code=False
    )


def _signature(examples: list[str]) -> Any:
    """One text in, its label and that label's probability out.

    MLflow's own wrapper would read a list of texts as Python literals where it can: the text
    ``2024`` would become a number, and a long text exhausts the parser. A signature that says that
    its form is the example's (a list of strings) makes MLflow hand over the texts as they are.
    """
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import update_signature_for_type_hint_from_example
    from mlflow.types.schema import ColSpec, Schema

    signature = ModelSignature(
        inputs=Schema([ColSpec("string")]),
        outputs=Schema([ColSpec("string", "label"), ColSpec("double", "score")]),
    )
    update_signature_for_type_hint_from_example(examples, signature)
    return signature


def _keep_the_checkpoint_bytes(checkpoint: Path, model: Path) -> None:
    """Replace what was saved anew by the very files that were evaluated."""
    for path in [*model.glob("*.safetensors*"), model / "config.json"]:
        path.unlink()
    for path in [*checkpoint.glob("*.safetensors*"), checkpoint / "config.json"]:
        shutil.copyfile(path, model / path.name)


def _forget_the_local_path(folder: Path, line: str) -> None:
    """MLflow notes the temporary folder as the model's name and as the source of its licence."""
    from mlflow.models import Model

    description = Model.load(str(folder))
    description.flavors["transformers"]["source_model_name"] = line
    description.save(str(folder / "MLmodel"))
    (folder / "LICENSE.txt").unlink(missing_ok=True)
