"""Texts as vectors of a base model, without a head."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.errors import BaseModelError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.scoring import load_model, run_batches
from tasks.task_types.tokenizers import load_tokenizer, longest_text


def embed_texts(folder: Path, texts: Sequence[str], *, max_length: int) -> NDArray[np.float32]:
    """Vectors (N, H): the mean of the last hidden state over a text's real tokens.

    A text's vector depends neither on the other texts nor on their order, to 1e-5. A text without
    tokens is the zero vector. Of an encoder and decoder, the encoder is asked.

    Args:
        folder: a model and its tokenizer, as transformers saves them.
        texts: N texts.
        max_length: tokens that a text is cut to, or fewer where the model takes fewer.

    Raises:
        BaseModelError: the folder holds no such model, or it gives a vector that is no number.

    """
    with quiet_transformers():
        tokenizer, model = load_tokenizer(folder), load_model(folder, "AutoModel")
        max_length = min(max_length, longest_text(folder, tokenizer))
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    encoded: list[list[int]] = []
    if texts:
        encoded = tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"]
    filled = [row for row, ids in enumerate(encoded) if ids]
    vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    batches = run_batches(model, [encoded[row] for row in filled], tokenizer.pad_token_id)
    for rows, batch, outputs in batches:
        real = batch["attention_mask"].unsqueeze(-1)  # (B, T, 1)
        summed = (outputs.last_hidden_state.float() * real).sum(dim=1)
        vectors[[filled[row] for row in rows]] = (summed / real.sum(dim=1)).cpu().numpy()
    if not np.isfinite(vectors).all():
        raise BaseModelError(f"the model in {folder} gives a vector that is no number")
    return vectors
