"""Answers for a registered model whose network onnxruntime runs.

Tokens in and answers out are the task type's own: its script lies beside this one, byte for byte
that of a version as it was trained, and so does the file that calls the network. Here the one is
given the other in place of what transformers would load.
"""

import importlib.util
from types import ModuleType
from typing import Any

import mlflow
import pandas as pd


class CompressedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """What the script of the task type answers."""

    def load_context(self, context: Any) -> None:
        """Load the task type's script, and by it tokenizer and network."""
        network = module_at(context.artifacts["network"], "assayline_onnx_network").OnnxNetwork
        script = module_at(context.artifacts["script"], "assayline_answers")
        for name in [name for name in vars(script) if name.startswith("AutoModel")]:
            setattr(script, name, network)
        (kind,) = [
            one
            for one in vars(script).values()
            if isinstance(one, type) and issubclass(one, mlflow.pyfunc.PythonModel)
        ]
        self.model = kind()
        self.model.load_context(context)

    def predict(
        self,
        context: Any,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """As the script of the task type."""
        found: list[dict[str, Any]] = self.model.predict(context, model_input, params)
        return found


def module_at(path: str, name: str) -> ModuleType:
    """A file as a module of its own, whatever else is loaded in this process."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mlflow.models.set_model(CompressedModel())
