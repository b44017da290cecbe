"""From a trained model to one ONNX file, which onnxruntime runs."""

import inspect
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.errors import TrainingError
from infra.onnx_files import save_onnx
from tasks.task_types.networks import Network

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

# Which of two texts a token is of.
SEGMENTS: Final = "token_type_ids"
# Rows and tokens of the batch that is traced: neither is 1, which would be taken for a constant.
_TRACED: Final = (2, 8)


def export_network(model: "PreTrainedModel", network: Network, path: Path) -> None:
    """Write a model as an ONNX file that takes any number of rows and of tokens.

    Its inputs are input_ids and attention_mask, (B, T) int64, and token_type_ids where the model
    tells two texts apart; its outputs those that `network` names.

    Args:
        model: of transformers, in float32 on a CPU, without dropout.
        network: which outputs are asked for.
        path: of the file.

    Raises:
        TrainingError: torch cannot export it.
        SettingsError: it is larger than one file can be.

    """
    import onnxscript  # noqa: F401 - torch.onnx exports by it, so that its version shapes the file
    import torch

    inputs = example_inputs(model)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with warnings.catch_warnings():
            # Of its own and of torch's coming releases; what matters is tried afterwards.
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                named_outputs(model, network),
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=list(network.outputs),
                dynamic_shapes=[free] * len(inputs),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter wraps whatever a model's code raises
        reason = str(error).strip().partition("\n")[0]
        raise TrainingError(
            f"{type(model).__name__} cannot be exported to ONNX: {reason}; leave compression out, "
            "or choose a base_model of another architecture"
        ) from error
    assert program is not None  # noqa: S101 - without a file to write, the exporter returns it
    save_onnx(program.model_proto, path)


def example_inputs(model: "PreTrainedModel") -> "dict[str, Tensor]":
    """What a model of texts is called with, by name: a small batch, its second row padded."""
    import torch

    ids = torch.arange(_TRACED[0] * _TRACED[1]).reshape(_TRACED) % model.config.vocab_size
    mask = torch.ones_like(ids)
    mask[1, _TRACED[1] // 2 :] = 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if tells_texts_apart(model):
        inputs[SEGMENTS] = torch.zeros_like(ids)
    return inputs


def tells_texts_apart(model: "PreTrainedModel") -> bool:
    """Whether a model has an embedding for each of two texts."""
    takes = SEGMENTS in inspect.signature(model.forward).parameters
    return takes and getattr(model.config, "type_vocab_size", 0) > 1


def named_outputs(model: "PreTrainedModel", network: Network) -> "nn.Module":
    """The model as a module whose inputs go by place, and whose outputs are the asked ones."""
    from torch import nn

    class NamedOutputs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            input_ids: "Tensor",
            attention_mask: "Tensor",
            token_type_ids: "Tensor | None" = None,
        ) -> "tuple[Any, ...]":
            segments = {} if token_type_ids is None else {SEGMENTS: token_type_ids}
            outputs = self.model(input_ids=input_ids, attention_mask=attention_mask, **segments)
            return tuple(outputs[name] for name in network.outputs)

    return NamedOutputs().eval()
