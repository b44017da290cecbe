"""Asking a model about many texts, in batches of like length: what every task type shares."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from infra.errors import BaseModelError
from infra.onnx_files import ONNX_FILE, READERS, why_not_installed
from tasks.task_types.batches import batches_of_least_work, fill_batches
from tasks.task_types.examples import pad
from tasks.task_types.kept_models import kept

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel
    from transformers.utils import ModelOutput


# Padded tokens of one batch on a CPU: what it keeps in its cache between two layers. Four times as
# many were measured a tenth slower there.
TOKEN_BUDGET = 1024
# The same on a GPU, where launching a small batch takes longer than its arithmetic; not yet tuned.
GPU_TOKEN_BUDGET = 32_768
# Tokens whose work on a CPU is that of one batch more, whatever it holds: 9 ms against 0.3 ms a
# token of MiniLM on one core; fewer with larger models.
BATCH_COST = 32


def token_budget(model: "PreTrainedModel") -> int:
    """Padded tokens of one batch on the device that the model is on."""
    return GPU_TOKEN_BUDGET if model.device.type == "cuda" else TOKEN_BUDGET


def batches_to_score(
    model: "PreTrainedModel", lengths: Sequence[int], budget: int
) -> Iterator[list[int]]:
    """Batches of row numbers, as the device that the model is on answers them soonest.

    Args:
        model: that is to be asked.
        lengths: tokens of each row.
        budget: padded tokens of one batch.

    """
    if model.device.type == "cuda":
        return fill_batches(lengths, budget)
    return batches_of_least_work(lengths, budget, BATCH_COST)


@kept
def load_model(folder: Path, kind: str) -> "PreTrainedModel":
    """A model of one of transformers' Auto classes, in float32 on the device here, to be asked.

    Of a folder with ``model.onnx``, which compression made, it is that network, on the CPU.

    Raises:
        BaseModelError: the folder holds no such model, or not all of its weights, or onnxruntime
            is not installed.

    """
    if (folder / ONNX_FILE).is_file():
        return _load_onnx(folder)
    import torch
    import transformers
    from safetensors import SafetensorError

    from infra.device import pick_device

    try:
        model, report = getattr(transformers, kind).from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise BaseModelError(f"the model in {folder} cannot be loaded: {error}") from error
    # Some base models have no pooler; only a head asks for it.
    unasked = ".pooler." if kind == "AutoModel" else "\0"
    lost = sorted(key for key in report["missing_keys"] if unasked not in f".{key}")
    if lost:
        raise BaseModelError(
            f"the model in {folder} lacks {len(lost)} of its weights ({lost[0]} first), so that "
            "they would be random"
        )
    return model.to(pick_device().name).eval()


def _load_onnx(folder: Path) -> "PreTrainedModel":
    if why := why_not_installed(READERS):
        raise BaseModelError(f"the model in {folder} is {ONNX_FILE}, and {why}")
    from infra.device import pick_device
    from tasks.task_types.onnx_network import OnnxNetwork

    pick_device()  # which settles how many threads an operation takes
    try:
        network = OnnxNetwork(folder)
    except Exception as error:  # onnxruntime has one class an error code, and none above them
        raise BaseModelError(f"the model in {folder} cannot be loaded: {error}") from error
    return cast("PreTrainedModel", network)


def run_batches(
    model: "PreTrainedModel", encoded: Sequence[Sequence[int]], pad_id: int
) -> "Iterator[tuple[list[int], dict[str, Tensor], ModelOutput]]":
    """Row numbers, padded inputs and the model's outputs of batches of like length.

    Args:
        model: as `load_model` gives it.
        encoded: token ids of each text, one or more.
        pad_id: token that fills a batch up.

    """
    import torch

    lengths = [len(ids) for ids in encoded]
    for rows in batches_to_score(model, lengths, token_budget(model)):
        batch = pad([encoded[row] for row in rows], pad_id)
        batch = {name: value.to(model.device) for name, value in batch.items()}
        with torch.inference_mode():
            outputs = model(**batch)
        yield rows, batch, outputs
