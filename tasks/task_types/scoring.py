"""Class probabilities of many texts: the one scorer that evaluation, fairness and staging share."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.base_models import quiet_transformers
from infra.device import pick_device
from infra.errors import BaseModelError, TrainingError
from tasks.task_types.examples import pad
from tasks.task_types.tokenizers import load_tokenizer

# Padded tokens of one batch.
TOKEN_BUDGET = 4096


def score_texts(
    model_folder: Path, texts: Sequence[str], *, max_length: int
) -> NDArray[np.float32]:
    """Probabilities (N, L) of the classes, rows in the order of the texts.

    Each distinct text is scored once, in batches of like length, in float32.

    Args:
        model_folder: a classification model and its tokenizer, as transformers saves them.
        texts: N texts.
        max_length: tokens that a text is cut to.

    Raises:
        BaseModelError: the folder holds no such model.
        TrainingError: the model gives a score that is no number.

    """
    distinct = list(dict.fromkeys(texts))
    with quiet_transformers():
        tokenizer, model = load_tokenizer(model_folder), _load_model(model_folder)
    scores = np.zeros((len(distinct), model.config.num_labels), dtype=np.float32)
    if distinct:
        encoded = tokenizer(distinct, truncation=True, max_length=max_length)["input_ids"]
        _fill_in(scores, model, encoded, tokenizer.pad_token_id)
    _check_finite(scores, model_folder)
    place = {text: index for index, text in enumerate(distinct)}
    return scores[np.fromiter((place[text] for text in texts), dtype=np.int64, count=len(texts))]


def fill_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Batches of row numbers, longest rows first, whose padded size keeps to the budget.

    A row that is longer than the budget makes a batch of its own. The longest come first, so that
    a batch that memory cannot hold shows at once.
    """
    batch: list[int] = []
    longest = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batch and longest * (len(batch) + 1) > budget:
            yield batch
            batch = []
        if not batch:
            longest = lengths[row]
        batch.append(row)
    if batch:
        yield batch


def _load_model(folder: Path) -> Any:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification

    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise BaseModelError(f"the model in {folder} cannot be loaded: {error}") from error
    return model.to(pick_device().name).eval()


def _fill_in(
    scores: NDArray[np.float32], model: Any, encoded: Sequence[Sequence[int]], pad_id: int
) -> None:
    import torch

    with torch.inference_mode():
        for rows in fill_batches([len(ids) for ids in encoded], TOKEN_BUDGET):
            batch = pad([encoded[row] for row in rows], pad_id)
            batch = {name: value.to(model.device) for name, value in batch.items()}
            scores[rows] = model(**batch).logits.float().softmax(dim=-1).cpu().numpy()


def _check_finite(scores: NDArray[np.float32], folder: Path) -> None:
    broken = int((~np.isfinite(scores).all(axis=1)).sum())
    if broken:
        raise TrainingError(
            f"the model in {folder} gives no number for {broken} of {len(scores)} distinct texts; "
            "its training diverged: train it again with a lower learning rate"
        )
