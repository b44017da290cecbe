"""Temperature scaling: probabilities that keep what they claim, from the validation rows."""

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from infra.digests import digest_of
from infra.errors import DataError, TrainingError
from infra.onnx_files import ONNX_FILE, divide_output
from infra.store import ObjectStore
from tasks.evaluation.held_out import read_rows
from tasks.records.data import DataReport
from tasks.records.training import Weights
from tasks.resampling import Floats, Ints
from tasks.task_types.row_shapes import shape_of

logger = logging.getLogger(__name__)

# With fewer rows one of them would move the temperature by itself.
MIN_ROWS: Final = 50
# Bounds of the temperature: beyond them the labels are told apart without error, or not at all.
LEAST, MOST = 0.05, 20.0
# Texts that the scaled model is tried on, and how far its logits may lie off.
_TRIED: Final = 32
_TOLERANCE: Final = 1e-3


def scale_weights(
    weights: Weights, data: DataReport, task_type: str, store: ObjectStore
) -> Weights:
    """The same classifier, its logits divided by the temperature that the validation rows ask.

    Guo et al. 2017, "On calibration of modern neural networks" (arXiv:1706.04599): one number,
    which changes no prediction. The layer that gives the logits is divided by it, weights and
    bias, or of a compressed model the output, so that whatever serves the model gives the scaled
    probabilities, and the artifact that is evaluated is the one that is registered.

    Raises:
        DataError: there are too few validation rows.
        TrainingError: the model has no such layer.
        StoreError: an artifact is missing.

    """
    from tasks.task_types.labels.classification_measures import class_ids
    from tasks.task_types.labels.model_labels import model_labels

    with tempfile.TemporaryDirectory(prefix="temperature-") as name:
        work = Path(name)
        clean = store.get_file(data.clean, work / "clean.parquet")
        rows = read_rows(clean, "validation", shape_of(task_type))
        if rows.num_rows < MIN_ROWS:
            raise DataError(
                f"evaluation.temperature_scaling is fitted on the validation rows, and there are "
                f"{rows.num_rows}; {MIN_ROWS} are asked for: raise splits.validation, or turn it "
                "off"
            )
        model = store.get_folder(weights.artifact, work / "model")
        texts = rows["text"].to_pylist()
        logits = _asked(model, texts, weights)
        truth = class_ids(rows, model_labels(model))
        temperature = fit_temperature(logits, truth)
        if (model / ONNX_FILE).is_file():
            divide_output(model / ONNX_FILE, "logits", temperature)
        else:
            divide_head(model, temperature)
        again = _asked(model, texts[:_TRIED], weights)
        _check(again, logits[:_TRIED] / temperature, temperature)
        logger.info(
            "temperature %.3f: log loss of %d validation rows %.4f, was %.4f", temperature,
            len(truth), log_loss(logits / temperature, truth), log_loss(logits, truth),
        )  # fmt: skip
        key = digest_of({"weights": weights.artifact.sha256, "temperature": temperature})
        artifact = store.put_folder(store.uri("weights", key), model)
    return replace(weights, artifact=artifact, temperature=temperature)


def _asked(model: Path, texts: list[str], weights: Weights) -> Floats:
    from tasks.task_types.labels.text_logits import text_logits

    logits, _ = text_logits(model, texts, max_length=weights.max_length)
    return logits.astype(np.float64)


def fit_temperature(logits: Floats, truth: Ints) -> float:
    """The temperature of the least log loss.

    Args:
        logits: (N, L).
        truth: class ids, (N,).

    """
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda power: log_loss(logits / np.exp(power), truth),
        bounds=(np.log(LEAST), np.log(MOST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def log_loss(logits: Floats, truth: Ints) -> float:
    """Mean log loss of softmax probabilities; see `fit_temperature`."""
    from scipy.special import logsumexp

    of_truth = logits[np.arange(len(truth)), truth]
    return float(np.mean(logsumexp(logits, axis=1) - of_truth))


def divide_head(model: Path, temperature: float) -> None:
    """Divide the layer that gives the logits by a temperature, in the folder of a classifier.

    Raises:
        TrainingError: the model has no linear layer of one output a label.

    """
    from safetensors.torch import load_file, save_file

    names = set(_head_of(model))
    for path in sorted(model.glob("*.safetensors")):
        tensors = load_file(path)
        if own := names & tensors.keys():
            tensors |= {name: tensors[name] / temperature for name in own}
            save_file(tensors, path, metadata={"format": "pt"})


def _head_of(model: Path) -> Iterator[str]:
    """Names of the tensors of the last linear layer of one output a label."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from tasks.task_types.labels.classifier_head import head_of

    config = AutoConfig.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    from accelerate import init_empty_weights

    with init_empty_weights():
        empty = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    if not (found := head_of(empty, config.num_labels)):
        raise TrainingError(
            f"{type(empty).__name__} has no linear layer of {config.num_labels} outputs to divide "
            "by a temperature; turn evaluation.temperature_scaling off"
        )
    name, layer = found
    yield from (f"{name}.{part}" for part, _ in layer.named_parameters())


def _check(found: Floats, wanted: Floats, temperature: float) -> None:
    apart = float(np.abs(found - wanted).max())
    if apart > _TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        raise TrainingError(
            f"divided by the temperature {temperature:.3f}, the model's logits lie {apart:.2g} "
            "off; its last layer is not what gives them: turn evaluation.temperature_scaling off"
        )
