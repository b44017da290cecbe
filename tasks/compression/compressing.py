"""From trained weights to the smaller ones that are judged, registered and served."""

import logging
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from infra.digests import digest_of
from infra.errors import SettingsError, TrainingError
from infra.onnx_files import ONNX_FILE, WRITERS, why_not_installed
from infra.store import ObjectStore, sha256_of_file
from infra.transformers_logs import quiet_transformers
from tasks.compression.calibration import Inputs, calibration_inputs, inputs_named
from tasks.compression.exporting import (
    SEGMENTS,
    example_inputs,
    export_network,
    tells_texts_apart,
)
from tasks.compression.settings import CompressionSettings
from tasks.records.compression import Compression
from tasks.records.training import Tokens, Weights
from tasks.task_types.examples import pad
from tasks.task_types.networks import NETWORKS, Network, why_no_compression
from tasks.task_types.scoring import load_model

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

# What of a trained folder is left out of the compressed one.
_WEIGHTS: Final = ("*.safetensors", "*.safetensors.index.json")
# Tokens of the made texts that both networks are tried on, one batch each; the longest are as long
# as the line's own.
_TRIED: Final = ((1,), (2, 1), (7, 3, 5), (19, 40))

Asked = Callable[..., Mapping[str, "Tensor"]]


def compress_weights(
    store: ObjectStore,
    weights: Weights,
    task_type: str,
    settings: CompressionSettings,
    tokens: Tokens | None = None,
) -> Weights:
    """The same model in other bytes, whose folder has ``model.onnx`` in place of safetensors.

    All that comes after (temperature, evaluation, registration, serving) is of these bytes. The
    same weights and settings give the same ones.

    Args:
        store: of both.
        weights: as they were trained.
        task_type: what the model is for.
        settings: what becomes of it.
        tokens: what it was trained on, where the method reads rows.

    Raises:
        SettingsError: models of this task type cannot be compressed, or what does it is not
            installed, or the model is too large.
        TrainingError: the model cannot be exported, or answers otherwise once it is.
        StoreError: the store cannot be reached.

    """
    if why := why_no_compression(task_type) or why_not_installed(WRITERS):
        raise SettingsError(f"compression.method is {settings.method}: {why}")
    network = NETWORKS[task_type]
    with quiet_transformers(), TemporaryDirectory(prefix="assayline-compress-") as name:
        trained = store.get_folder(weights.artifact, Path(name) / "trained")
        made = Path(name) / "model"
        shutil.copytree(trained, made, ignore=shutil.ignore_patterns(*_WEIGHTS))
        rows = _rows(store, tokens, task_type, trained, settings)
        exported, apart = _write(trained, made, network, weights.max_length, settings, rows)
        told = Compression(
            method=settings.method,
            original_sha256=weights.artifact.sha256,
            original_bytes=sum(f.stat().st_size for f in trained.glob("*.safetensors")),
            size_bytes=(made / ONNX_FILE).stat().st_size,
            exported_difference=exported,
            difference=apart,
        )
        logger.info(
            "%s: %s bytes, were %s; outputs lie up to %.2g of the largest off",
            settings.method, f"{told.size_bytes:,}", f"{told.original_bytes:,}", apart,
        )  # fmt: skip
        made_of = [weights.artifact.sha256, settings, sha256_of_file(made / ONNX_FILE)]
        artifact = store.put_folder(store.uri("weights", digest_of(made_of)), made)
    return replace(weights, artifact=artifact, compression=told)


def _rows(
    store: ObjectStore,
    tokens: Tokens | None,
    task_type: str,
    trained: Path,
    settings: CompressionSettings,
) -> Iterator[Inputs]:
    """Training examples that tell the ranges of numbers; none for a method that asks for none."""
    if not settings.reads_rows:
        return iter(())
    if tokens is None:
        raise SettingsError(
            f"compression.method is {settings.method}, which reads training rows, and none are at "
            "hand; set it to onnx_int8"
        )
    return calibration_inputs(store, tokens, task_type, trained, settings.calibration_rows)


def _write(
    trained: Path,
    made: Path,
    network: Network,
    max_length: int,
    settings: CompressionSettings,
    rows: Iterator[Inputs],
) -> tuple[float, float]:
    """Write the file, and say how far its float32 form and the file itself lie off torch."""
    from tasks.compression.quantizing import quantize, quantize_calibrated, quantize_weights
    from tasks.task_types.onnx_network import OnnxNetwork

    model = load_model(trained, network.auto_class).cpu()
    file = made / ONNX_FILE
    export_network(model, network, file)
    exported = difference(model, OnnxNetwork(made), network, max_length)
    if not exported <= settings.max_difference:  # which NaN is not, either
        raise TrainingError(
            f"the exported network's outputs lie {exported:.2g} of the largest one off torch's, "
            f"and compression.max_difference is {settings.max_difference:g}: it is not the same "
            "network; leave compression out, or choose a base_model of another architecture"
        )
    if settings.method == "onnx":
        return exported, exported
    if settings.reads_rows:
        names = list(example_inputs(model))
        quantize_calibrated(file, (inputs_named(names, one) for one in rows))
    elif settings.method == "onnx_int4_weights":
        quantize_weights(file, settings)
    else:
        quantize(file, settings)
    return exported, difference(model, OnnxNetwork(made), network, max_length)


def difference(model: "PreTrainedModel", other: Asked, network: Network, max_length: int) -> float:
    """How far two networks' outputs lie apart, as a share of the largest output of the first.

    Args:
        model: of transformers.
        other: what is compared with it, called alike.
        network: which outputs.
        max_length: tokens of the longest text that is tried.

    """
    import torch

    apart, largest = 0.0, 0.0
    for inputs in made_batches(model, max_length):
        real = inputs["attention_mask"].bool()
        with torch.inference_mode():
            both = (model(**inputs), other(**inputs))
        for name in network.outputs:
            one, another = (found[name].float() for found in both)
            if name in network.of_tokens:
                one, another = one[real], another[real]
            largest = max(largest, float(one.abs().max()))
            gap = float((one - another).abs().max())
            apart = gap if math.isnan(gap) else max(apart, gap)
            if math.isnan(apart):
                return apart
    return apart / largest if largest else apart


def made_batches(model: "PreTrainedModel", max_length: int) -> "Iterator[dict[str, Tensor]]":
    """Batches of made texts, short ones padded; tokens are drawn, always the same ones.

    Args:
        model: of transformers, whose vocabulary they are of.
        max_length: tokens of the longest one.

    """
    import numpy as np
    import torch

    random = np.random.default_rng(0)
    for lengths in (*_TRIED, (max_length,)):
        rows = [
            random.integers(0, model.config.vocab_size, min(length, max_length))
            for length in lengths
        ]
        inputs = pad(rows, int(model.config.pad_token_id or 0))
        if tells_texts_apart(model):
            second = torch.arange(inputs["input_ids"].shape[1]) > min(map(len, rows)) // 2
            inputs[SEGMENTS] = second.long().expand_as(inputs["input_ids"]).clone()
        yield inputs
