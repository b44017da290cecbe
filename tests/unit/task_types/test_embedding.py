import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from infra.errors import BaseModelError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.embeddings.embedding import embed_texts

TEXTS = [
    "a good film", "the match was won by a late goal " * 5, "shares fell", "a good film",
    "he said she said they said " * 9, "的一是不了人我在有他这", "a bad film", "bank raised rates",
]  # fmt: skip


@pytest.fixture
def copied_model(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def test_a_vector_depends_neither_on_the_batch_nor_on_the_order(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = embed_texts(tiny_model, TEXTS, max_length=24)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = embed_texts(tiny_model, [TEXTS[row] for row in order], max_length=24)
    np.testing.assert_allclose(shuffled, together[order], atol=1e-5)
    monkeypatch.setattr("tasks.task_types.scoring.TOKEN_BUDGET", 1)
    alone = embed_texts(tiny_model, TEXTS, max_length=24)
    np.testing.assert_allclose(alone, together, atol=1e-5)
    assert together.shape == (8, 32)
    assert together.dtype == np.float32
    assert np.ptp(together, axis=0).max() > 0.05  # the texts do differ
    np.testing.assert_allclose(together[0], together[3], atol=1e-5)


def test_a_vector_is_the_mean_over_the_real_tokens(tiny_model: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    with quiet_transformers():
        model = AutoModel.from_pretrained(tiny_model).eval()
        tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    vectors = embed_texts(tiny_model, TEXTS[:2], max_length=10)
    for text, vector in zip(TEXTS[:2], vectors, strict=True):
        batch = tokenizer(text, truncation=True, max_length=10, return_tensors="pt")
        with torch.no_grad():
            expected = model(**batch).last_hidden_state[0].mean(dim=0).numpy()
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_a_text_is_cut_to_what_the_model_takes(tiny_model: Path) -> None:
    long = ["the match was won " * 100]
    np.testing.assert_array_equal(
        embed_texts(tiny_model, long, max_length=10_000),
        embed_texts(tiny_model, long, max_length=64),
    )


def test_no_texts_give_no_vectors(tiny_model: Path) -> None:
    assert embed_texts(tiny_model, [], max_length=24).shape == (0, 32)


def test_a_text_without_tokens_is_the_zero_vector(tmp_path: Path) -> None:
    """A byte-level tokenizer adds no token of its own."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2Model, GPT2TokenizerFast

    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(TEXTS, vocab_size=300, special_tokens=["<end>"])
    (tmp_path / "model").mkdir()
    trainer.save_model(str(tmp_path))
    GPT2TokenizerFast(
        vocab=str(tmp_path / "vocab.json"), merges=str(tmp_path / "merges.txt"),
        eos_token="<end>", bos_token="<end>", unk_token="<end>", model_max_length=64,
    ).save_pretrained(tmp_path / "model")  # fmt: skip
    torch.manual_seed(0)
    GPT2Model(
        GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    ).save_pretrained(tmp_path / "model")
    vectors = embed_texts(tmp_path / "model", ["", "a film", ""], max_length=24)
    assert (vectors[[0, 2]] == 0).all()
    assert np.abs(vectors[1]).max() > 0.01


def test_of_an_encoder_and_decoder_the_encoder_is_asked(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, T5Config, T5Model

    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(tiny_model)
        tokenizer.save_pretrained(tmp_path)
        T5Model(
            T5Config(
                vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2
            )
        ).save_pretrained(tmp_path)
    assert embed_texts(tmp_path, TEXTS, max_length=24).shape == (8, 16)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="cannot be loaded"):
        embed_texts(tmp_path, ["text"], max_length=24)


def test_a_vector_that_is_no_number_is_refused(copied_model: Path) -> None:
    weights = load_file(copied_model / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][:] = torch.nan
    save_file(weights, copied_model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BaseModelError, match="no number"):
        embed_texts(copied_model, TEXTS, max_length=24)


def test_a_model_that_lacks_weights_is_not_filled_up_at_random(copied_model: Path) -> None:
    path = copied_model / "model.safetensors"
    weights = load_file(path)
    unpooled = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(unpooled, path, metadata={"format": "pt"})
    assert embed_texts(copied_model, TEXTS, max_length=24).shape == (8, 32)
    lost = {name: value for name, value in weights.items() if "layer.1.output" not in name}
    save_file(lost, path, metadata={"format": "pt"})
    with pytest.raises(BaseModelError, match=r"lacks 4 of its weights \(encoder.layer.1.output"):
        embed_texts(copied_model, TEXTS, max_length=24)
