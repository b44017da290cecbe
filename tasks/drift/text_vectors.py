"""Vectors of texts by a base model, for comparisons that share rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Tokens of a row that the base model reads: twice as many take twice as long.
EMBEDDING_TOKENS: Final = 64


class TextVectors:
    """Embeds texts, each once however often it is asked for.

    Args:
        folder: the base model, as `tasks.task_types.embeddings.embedding.embed_texts` reads it.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, NDArray[np.float32]] = {}

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (N, H) of one or more texts, in their order.

        Raises:
            BaseModelError: the folder holds no such model, or it gives a vector that is no number.

        """
        from tasks.task_types.embeddings.embedding import embed_texts

        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            vectors = embed_texts(self._folder, new, max_length=EMBEDDING_TOKENS)
            self._known |= dict(zip(new, vectors, strict=True))
        return np.stack([self._known[text] for text in texts])
