"""What a model with a head on whole texts says of many texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.base_models import quiet_transformers
from tasks.task_types.finite import check_finite
from tasks.task_types.scoring import load_model, run_batches
from tasks.task_types.tokenizers import load_tokenizer


def text_logits(
    folder: Path, texts: Sequence[str], *, max_length: int
) -> tuple[NDArray[np.float32], Any]:
    """The head's outputs (N, L) in the order of the texts, and the model's configuration.

    Each distinct text is asked once, in batches of like length, in float32. A text without tokens
    is asked as one padding token, as the served scripts do.

    Args:
        folder: a model and its tokenizer, as transformers saves them.
        texts: N texts.
        max_length: tokens that a text is cut to.

    Raises:
        BaseModelError: the folder holds no such model.
        TrainingError: the model gives a score that is no number.

    """
    distinct = list(dict.fromkeys(texts))
    with quiet_transformers():
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, "AutoModelForSequenceClassification")
    logits = np.zeros((len(distinct), model.config.num_labels), dtype=np.float32)
    encoded: list[list[int]] = []
    if distinct:
        encoded = tokenizer(distinct, truncation=True, max_length=max_length)["input_ids"]
    filled = [ids or [tokenizer.pad_token_id] for ids in encoded]
    for rows, _, outputs in run_batches(model, filled, tokenizer.pad_token_id):
        check_finite(outputs.logits, folder)
        logits[rows] = outputs.logits.float().cpu().numpy()
    place = {text: index for index, text in enumerate(distinct)}
    rows_of = np.fromiter((place[text] for text in texts), dtype=np.int64, count=len(texts))
    return logits[rows_of], model.config
