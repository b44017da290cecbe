"""What is cut out of a model: its very weights, in a form that plain transformers loads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModelForSequenceClassification,
    BartConfig,
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from infra.errors import BaseModelError, SettingsError
from infra.transformers_logs import quiet_transformers
from tasks.training.pruning.settings import PruningSettings
from tasks.training.pruning.structure import (
    Kept,
    check_prunable,
    counts_left,
    cut,
    feed_forwards,
    width_name,
)

KIND = "AutoModelForSequenceClassification"
IDS = torch.arange(12).reshape(2, 6)
SIZES = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2,
    "intermediate_size": 24, "num_labels": 3, "pad_token_id": 0,
}  # fmt: skip


def bert(**others: Any) -> Any:
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(**{**SIZES, **others})).eval()


def model_of(name: str) -> Any:
    torch.manual_seed(0)
    if name == "distilbert":
        config = DistilBertConfig(
            vocab_size=40, dim=16, n_layers=4, n_heads=2, hidden_dim=24, num_labels=3
        )
        return DistilBertForSequenceClassification(config).eval()
    if name == "roberta":
        return RobertaForSequenceClassification(RobertaConfig(**SIZES)).eval()
    if name == "llama":
        config = LlamaConfig(**SIZES, num_key_value_heads=1)
        return LlamaForSequenceClassification(config).eval()
    return bert()


def shut(model: Any, kept: Kept) -> Any:
    """The model with the cut parts at zero: neurons give nothing, layers what they are given."""
    assert kept.neurons is not None
    of_layer = dict(zip(kept.layers, kept.neurons, strict=True))
    for number, network in enumerate(feed_forwards(model)):
        gone = np.setdiff1d(np.arange(24), of_layer.get(number, np.arange(24)))
        with torch.no_grad():
            network.out_of.weight[:, gone] = 0
    return model


@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta", "llama"])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_cut_model_answers_as_one_whose_parts_are_shut(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is kept, and as transformers reads it from a folder."""
    width = data.draw(st.integers(1, 23))
    drawn = st.sets(st.integers(0, 23), min_size=width, max_size=width)
    neurons = tuple(np.array(sorted(data.draw(drawn))) for _ in range(4))
    kept = Kept((0, 1, 2, 3), neurons)
    small, whole = model_of(name), shut(model_of(name), kept)
    cut(small, kept)
    folder = tmp_path_factory.mktemp("cut")
    with quiet_transformers(), torch.inference_mode():
        small.save_pretrained(folder)
        read = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        ours, theirs = read(IDS).logits, whole(IDS).logits
    assert getattr(read.config, width_name(read.config)) == width
    assert read.num_parameters() < whole.num_parameters()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_layers_and_neurons_are_those_that_were_named() -> None:
    whole, small = bert(), bert()
    kept = Kept((1, 3), (np.array([0, 5, 23]), np.array([2, 3, 4])))
    cut(small, kept)
    assert (small.config.num_hidden_layers, small.config.intermediate_size) == (2, 3)
    theirs = whole.bert.encoder.layer
    for place, (layer, neurons) in enumerate(zip((1, 3), kept.neurons or (), strict=True)):
        ours = small.bert.encoder.layer[place]
        assert torch.equal(
            ours.intermediate.dense.weight, theirs[layer].intermediate.dense.weight[neurons]
        )
        assert torch.equal(
            ours.intermediate.dense.bias, theirs[layer].intermediate.dense.bias[neurons]
        )
        assert torch.equal(ours.output.dense.weight, theirs[layer].output.dense.weight[:, neurons])
        assert torch.equal(
            ours.attention.self.query.weight, theirs[layer].attention.self.query.weight
        )
    assert ours.intermediate.dense.out_features == ours.output.dense.in_features == 3


def of(**given_: Any) -> PruningSettings:
    return PruningSettings.model_validate(given_)


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ({"neurons": 0.5}, (4, 12)),
        ({"neurons": 0.3}, (4, 17)),
        ({"layers": 3}, (1, 0)),
        ({"neurons": 0.95, "layers": 1}, (3, 1)),
    ],
)
def test_how_much_is_left(wanted: dict[str, Any], left: tuple[int, int]) -> None:
    assert counts_left(BertConfig(**SIZES), of(**wanted)) == left


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"layers": 4}, "pruning.layers is 4, and the model has 4 layers, of which one must stay"),
        ({"neurons": 0.99}, "pruning.neurons is 0.99, which is all of the 24 of a layer"),
        ({"neurons": 0.01}, "pruning.neurons is 0.01, which is none of the 24 of a layer"),
    ],
)
def test_a_model_of_which_nothing_is_left_is_refused(
    wanted: dict[str, Any], said: str, tmp_path: Path
) -> None:
    BertConfig(**SIZES).save_pretrained(tmp_path)
    with pytest.raises(SettingsError) as refused:
        check_prunable(tmp_path, KIND, of(**wanted))
    assert said in str(refused.value)


@pytest.mark.parametrize("wanted", [{"neurons": 0.5}, {"layers": 2}, {"neurons": 0.2, "layers": 1}])
def test_what_can_be_pruned_is_told_from_the_configuration(
    wanted: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("bert", "distilbert", "roberta", "llama"):
        model_of(name).config.save_pretrained(tmp_path)
        check_prunable(tmp_path, KIND, of(**wanted))


def test_an_architecture_whose_neurons_are_not_known_is_refused(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=4, n_head=2)
    GPT2ForSequenceClassification(config).config.save_pretrained(tmp_path)
    with pytest.raises(BaseModelError, match="GPT2ForSequenceClassification has no feed-forward"):
        check_prunable(tmp_path, KIND, of(neurons=0.5))
    check_prunable(tmp_path, KIND, of(layers=2))


def test_neurons_that_cannot_be_told_from_the_width_of_the_model_are_refused(
    tmp_path: Path,
) -> None:
    BertConfig(**{**SIZES, "intermediate_size": 16}).save_pretrained(tmp_path)
    with pytest.raises(BaseModelError, match="whose neurons can be told from the rest"):
        check_prunable(tmp_path, KIND, of(neurons=0.5))


def test_a_model_with_two_stacks_is_refused(tmp_path: Path) -> None:
    BartConfig(
        vocab_size=40, d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
    ).save_pretrained(tmp_path)  # fmt: skip
    with pytest.raises(BaseModelError, match=r"pruning.* takes them of models with one"):
        check_prunable(tmp_path, KIND, of(layers=1))
