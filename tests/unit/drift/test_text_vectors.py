import shutil
from pathlib import Path

import numpy as np
import pytest

from infra.errors import BaseModelError
from tasks.drift.text_vectors import EMBEDDING_TOKENS, TextVectors
from tasks.task_types.embeddings.embedding import embed_texts


def test_a_text_is_embedded_once_and_as_the_base_model_embeds_it(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    vectors = TextVectors(folder)
    first = ["a good film", "a bad film", "a good film"]
    found = vectors.of(first)
    expected = embed_texts(tiny_model, [*first, "no film"], max_length=EMBEDDING_TOKENS)
    np.testing.assert_allclose(found, expected[:3], atol=1e-5)
    more = vectors.of(["no film", "a bad film"])
    np.testing.assert_allclose(more, expected[[3, 1]], atol=1e-5)
    np.testing.assert_array_equal(more[1], found[1])

    shutil.rmtree(folder)  # what is known needs no model any more
    np.testing.assert_array_equal(vectors.of(first), found)
    with pytest.raises(BaseModelError):
        vectors.of(["a film that nobody has embedded"])
