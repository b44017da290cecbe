"""A network that onnxruntime runs, called as transformers calls its own models.

This file is what the project itself asks compressed models with, and it goes byte for byte into
each compressed version that is registered. So it keeps to what such a version requires, and imports
nothing of this project.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from transformers import AutoConfig

FILE = "model.onnx"
# Which of two texts a token is of; models of one text are asked without it.
SEGMENTS = "token_type_ids"
# In the file's own metadata: each row is to be asked by itself.
BY_ROW = "assayline.by_row"

Array = NDArray[Any]


class NetworkOutputs(dict[str, torch.Tensor]):
    """What a network gives, by name and by attribute, as transformers gives it."""

    def __getattr__(self, name: str) -> torch.Tensor:
        """The output of this name."""
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


class OnnxNetwork:
    """The file ``model.onnx`` of a folder, on a CPU.

    A network whose inputs are rounded as they come has one scale for a whole batch, padding
    included, so that a row's answer would depend on the rows beside it. Such a network says so in
    its metadata, and is asked one row after the other, each without its padding.

    Attributes:
        config: of the model that it was exported from.
        device: of its inputs and outputs.
        by_row: whether each row is asked by itself.

    """

    def __init__(self, folder: str | Path) -> None:
        options = onnxruntime.SessionOptions()
        # As many threads as torch would take, which was told how many cores this process may use.
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        # Threads that spin between two requests take the cores from whatever else runs there.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(Path(folder) / FILE), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [one.name for one in self._session.get_inputs()]
        outputs = self._session.get_outputs()
        self._outputs = [one.name for one in outputs]
        # A dimension that the file leaves open is that of the tokens; a number is one of its own.
        self._of_tokens = [not isinstance(one.shape[1], int) for one in outputs]
        self.by_row = BY_ROW in self._session.get_modelmeta().custom_metadata_map
        self.config: Any = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        self.device = torch.device("cpu")

    @classmethod
    def from_pretrained(cls, folder: str | Path, **_: Any) -> "OnnxNetwork":
        """Load it from a folder; what else transformers is told of loading has no meaning here."""
        return cls(folder)

    def to(self, _device: Any) -> "OnnxNetwork":
        """Itself: it stays on the CPU, and so do its inputs, by `device`."""
        return self

    def eval(self) -> "OnnxNetwork":
        """Itself: it was exported without dropout."""
        return self

    def __call__(self, **inputs: torch.Tensor) -> NetworkOutputs:
        """Its outputs for a batch that is padded on the right; those of padding are 0 by row.

        Args:
            inputs: input_ids and attention_mask, (B, T) each; token_type_ids where the model reads
                pairs of texts, else it is taken as 0.

        """
        if SEGMENTS in self._inputs and SEGMENTS not in inputs:
            inputs[SEGMENTS] = torch.zeros_like(inputs["input_ids"])
        given = {name: inputs[name].cpu().numpy() for name in self._inputs}
        found = self._each_row(given) if self.by_row else self._session.run(self._outputs, given)
        return NetworkOutputs(zip(self._outputs, map(torch.from_numpy, found), strict=True))

    def _each_row(self, given: dict[str, Array]) -> list[Array]:
        mask = given["attention_mask"]
        rows, width = mask.shape
        found: list[Array] = []
        for row in range(rows):
            length = int(np.flatnonzero(mask[row])[-1]) + 1
            alone = {name: values[row : row + 1, :length] for name, values in given.items()}
            told = self._session.run(self._outputs, alone)
            if not found:
                found = [
                    np.zeros(
                        (rows, *((width, *one.shape[2:]) if long else one.shape[1:])), one.dtype
                    )
                    for one, long in zip(told, self._of_tokens, strict=True)
                ]
            for whole, one, long in zip(found, told, self._of_tokens, strict=True):
                if long:
                    whole[row, :length] = one[0]
                else:
                    whole[row] = one[0]
        return found
