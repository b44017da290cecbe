"""Temperature scaling: the right temperature, and a model that serves with it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    PretrainedConfig,
    RobertaConfig,
)

from tasks.evaluation.temperature import divide_head, fit_temperature, log_loss

SMALL = {"vocab_size": 50, "num_labels": 3, "pad_token_id": 0}
CONFIGS = [
    BertConfig(
        **SMALL, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    ),
    DistilBertConfig(**SMALL, dim=16, n_layers=1, n_heads=2, hidden_dim=16),
    RobertaConfig(
        **SMALL, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    ),
    GPT2Config(**SMALL, n_embd=16, n_layer=1, n_head=2),
]


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_temperature_that_the_labels_were_drawn_with_is_found(true: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (4_000, 4))
    chances = softmax(logits / true, axis=1).cumsum(axis=1)
    truth = (random.random((4_000, 1)) > chances).sum(axis=1)
    found = fit_temperature(logits, truth)
    assert found == pytest.approx(true, rel=0.1)
    grid = np.exp(np.linspace(np.log(0.1), np.log(10), 400))
    least = min(log_loss(logits / one, truth) for one in grid)
    assert log_loss(logits / found, truth) <= least + 1e-9


def test_log_loss_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import log_loss as of_scikit_learn

    random = np.random.default_rng(1)
    logits, truth = random.normal(size=(50, 3)), random.integers(0, 3, 50)
    expected = of_scikit_learn(truth, softmax(logits, axis=1), labels=[0, 1, 2])
    assert log_loss(logits, truth) == pytest.approx(expected)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
def test_the_saved_model_gives_divided_logits(config: PretrainedConfig, tmp_path: Path) -> None:
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    ids = torch.randint(1, 50, (5, 7))

    def logits() -> np.ndarray:
        model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
        with torch.no_grad():
            return model(input_ids=ids).logits.numpy()

    first = logits()
    divide_head(tmp_path, 2.5)
    assert logits() == pytest.approx(first / 2.5, rel=1e-4, abs=1e-6)
    changed = {path.name for path in tmp_path.iterdir() if before[path.name] != path.read_bytes()}
    assert changed == {"model.safetensors"}
