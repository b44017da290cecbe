"""What a model with a head on whole texts says of many texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from infra.transformers_logs import quiet_transformers
from tasks.task_types.encoding import encode_texts
from tasks.task_types.finite import check_finite
from tasks.task_types.scoring import load_model, run_batches
from tasks.task_types.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
    from transformers.utils import ModelOutput


# Distinct texts whose token ids are held at once: enough to fill batches of like length.
TEXTS_AT_ONCE = 4096


def text_probabilities(
    folder: Path, texts: Sequence[str], *, max_length: int
) -> NDArray[np.float32]:
    """Probabilities (N, L) of the classes by softmax; see `text_logits`."""
    logits, _ = text_logits(folder, texts, max_length=max_length)
    probabilities: NDArray[np.float32] = torch.from_numpy(logits).softmax(dim=-1).numpy()
    return probabilities


def text_logits(
    folder: Path, texts: Sequence[str], *, max_length: int
) -> "tuple[NDArray[np.float32], PretrainedConfig]":
    """The head's outputs (N, L) in the order of the texts, and the model's configuration.

    Each distinct text is asked once, in batches of like length, in float32. A text without tokens
    is asked as one padding token, as the served scripts do. Token ids are held for some thousand
    texts at a time, so that memory does not grow with them.

    Args:
        folder: a model and its tokenizer, as transformers saves them.
        texts: N texts.
        max_length: tokens that a text is cut to.

    Raises:
        BaseModelError: the folder holds no such model.
        TrainingError: the model gives a score that is no number.

    """
    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, "AutoModelForSequenceClassification")
    distinct = list(dict.fromkeys(texts))
    logits = np.zeros((len(distinct), model.config.num_labels), dtype=np.float32)
    for rows, _, outputs in run_texts(model, tokenizer, distinct, max_length=max_length):
        check_finite(outputs.logits, folder)
        logits[rows] = outputs.logits.float().cpu().numpy()
    if len(distinct) < len(texts):
        place = {text: index for index, text in enumerate(distinct)}
        logits = logits[[place[text] for text in texts]]
    return logits, model.config


def run_texts(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    texts: Sequence[str],
    *,
    max_length: int,
) -> "Iterator[tuple[NDArray[np.int64], dict[str, Tensor], ModelOutput]]":
    """Places of texts, padded inputs and the model's outputs, batch by batch; see `text_logits`.

    Args:
        model: as `load_model` gives it.
        tokenizer: its own.
        texts: N texts.
        max_length: tokens that a text is cut to.

    """
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        window = pa.array(texts[start : start + TEXTS_AT_ONCE], pa.string())
        ids = encode_texts(window, tokenizer, max_length).input_ids
        filled = [one.values.to_numpy() if len(one) else [tokenizer.pad_token_id] for one in ids]
        for rows, batch, outputs in run_batches(model, filled, tokenizer.pad_token_id):
            yield start + np.asarray(rows, np.int64), batch, outputs
