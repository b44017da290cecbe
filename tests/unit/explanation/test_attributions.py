"""What words add to an answer, held against Captum's own way of working it out and by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, LayerGradientXActivation, LayerIntegratedGradients

from infra.errors import SettingsError
from tasks.explanation.gradients import baseline_of, integrated_gradients
from tasks.explanation.methods import attribute, by_word
from tasks.explanation.network import ExplainedNetwork, Floats, load_network
from tasks.explanation.rollout import attention_rollout
from tasks.explanation.settings import METHODS
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tests.unit.explanation.conftest import LABELS, LIMITS, SHORTCUT, shortcut_texts
from tests.unit.task_types.every_task_type import trained

TEXTS = [text for text, _ in shortcut_texts(12, seed=5)]


def plain(network: ExplainedNetwork) -> Any:
    """Log-odds by their definition, of token ids alone."""

    def forward(ids: torch.Tensor, target: int) -> torch.Tensor:
        probabilities = network.model(input_ids=ids).logits.softmax(dim=-1)[:, target]
        return torch.log(probabilities / (1 - probabilities))

    return forward


def tensors(network: ExplainedNetwork, text: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    (one,) = network.encode([text])
    ids = torch.tensor([one.ids])
    base = torch.tensor([baseline_of(one, network.filler)])
    return ids, base, int(network.answers([one.ids])[0])


def of_captum(network: ExplainedNetwork, text: str, method: str) -> Floats:
    """By token, one text at a time, as Captum's tutorials do it."""
    ids, base, target = tensors(network, text)
    forward, table = plain(network), network.model.get_input_embeddings()
    if method == "integrated_gradients":
        found = LayerIntegratedGradients(forward, table).attribute(
            ids, base, additional_forward_args=target, n_steps=50
        )
    else:
        found = LayerGradientXActivation(forward, table).attribute(
            ids, additional_forward_args=target
        )
    return np.asarray(found.sum(dim=-1)[0].detach().double().numpy())


@pytest.fixture(scope="module")
def with_gradients(shortcut_folder: Path) -> ExplainedNetwork:
    return load_network(shortcut_folder, "classification", LIMITS, keep_gradients=True)


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_x_input"])
def test_gradients_in_batches_are_those_of_captum_one_by_one(
    network: ExplainedNetwork, with_gradients: ExplainedNetwork, method: str
) -> None:
    encoded = network.encode(TEXTS)
    targets = network.answers([one.ids for one in encoded])
    if method == "integrated_gradients":
        tokens = integrated_gradients(network, encoded, targets, points=50, max_halvings=0)
        found = [by_word(one, each) for one, each in zip(encoded, tokens, strict=True)]
    else:
        found = attribute(network, encoded, targets, method)
    for text, one, each in zip(TEXTS, encoded, found, strict=True):
        theirs = of_captum(with_gradients, text, method)
        words = np.zeros(len(one.words))
        np.add.at(words, list(one.word_of)[1:-1], theirs[1:-1])
        np.testing.assert_allclose(each.values, words, atol=1e-4)


def test_integrated_gradients_sum_to_the_difference_from_the_baseline(
    network: ExplainedNetwork,
) -> None:
    encoded = network.encode(TEXTS)
    targets = np.zeros(len(TEXTS), np.int64)
    found = attribute(network, encoded, targets, "integrated_gradients")
    for text, each in zip(TEXTS, found, strict=True):
        ids, base, _ = tensors(network, text)
        with torch.no_grad():
            apart = float(plain(network)(ids, 0) - plain(network)(base, 0))
        assert each.is_exact
        assert each.delta == pytest.approx(np.nansum(each.values) - apart, abs=2e-3)
        assert np.nansum(each.values) == pytest.approx(apart, abs=0.011 * max(1, abs(apart)))


def test_too_few_points_are_told_as_inexact_and_halving_mends_them(
    network: ExplainedNetwork,
) -> None:
    encoded = network.encode(TEXTS)
    targets = network.answers([one.ids for one in encoded])
    few = integrated_gradients(network, encoded, targets, points=2, max_halvings=0)
    assert not all(one.is_exact for one in few)
    assert {one.gradients for one in few} == {2}
    more = integrated_gradients(network, encoded, targets, points=4)
    assert all(one.is_exact for one in more)
    assert max(one.gradients for one in more) > 4
    fine = integrated_gradients(network, encoded, targets, points=200)
    for one, other in zip(more, fine, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=0.03 * abs(other.values).max())


def test_occlusion_is_captums_ablation_of_each_word(network: ExplainedNetwork) -> None:
    encoded = network.encode(TEXTS)
    targets = network.answers([one.ids for one in encoded])
    for one, target, each in zip(
        encoded, targets, attribute(network, encoded, targets, "occlusion"), strict=True
    ):
        ids = torch.tensor([one.ids])
        mask = torch.tensor([[len(one.words) if w < 0 else w for w in one.word_of]])
        base = torch.tensor([baseline_of(one, network.filler)])
        with torch.no_grad():
            theirs = FeatureAblation(plain(network)).attribute(
                ids, base, additional_forward_args=int(target), feature_mask=mask
            )[0]
        first = [one.word_of.index(place) for place in one.read]
        np.testing.assert_allclose(each.values, theirs[first].numpy(), atol=1e-4)


def test_rollout_is_the_product_of_the_layers(network: ExplainedNetwork) -> None:
    (one,) = network.encode([TEXTS[0]])
    two = [one, *network.encode(["bank"])]
    found = attention_rollout(network, two, np.zeros(2, np.int64))[0]
    network.model.set_attn_implementation("eager")
    with torch.no_grad():
        layers = network.model(input_ids=torch.tensor([one.ids]), output_attentions=True).attentions
    network.model.set_attn_implementation("sdpa")
    matrices = [0.5 * np.eye(len(one.ids)) + 0.5 * layer[0].mean(0).numpy() for layer in layers]
    np.testing.assert_allclose(found.values, (matrices[1] @ matrices[0])[0], atol=1e-5)
    assert found.values.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_attributions_do_not_depend_on_the_other_texts(
    network: ExplainedNetwork, method: str
) -> None:
    encoded = network.encode([*TEXTS, TEXTS[0], "", "bank"])
    targets = network.answers([one.ids for one in encoded])
    together = attribute(network, encoded, targets, method)
    np.testing.assert_allclose(together[0].values, together[12].values, atol=1e-5)
    for row, (one, each) in enumerate(zip(encoded, together, strict=True)):
        (alone,) = attribute(network, [one], targets[row : row + 1], method)
        assert each.values.shape == (len(one.words),)
        np.testing.assert_allclose(each.values, alone.values, atol=1e-4)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_the_shortcut_is_the_strongest_word_of_its_label(
    network: ExplainedNetwork, method: str
) -> None:
    """Not by gradient times input: where the model is sure its slope is flat (half of the rows)."""
    rows = shortcut_texts(30, seed=9)
    encoded = network.encode([text for text, _ in rows])
    targets = np.array([LABELS.index(label) for _, label in rows])
    assert (network.answers([one.ids for one in encoded]) == targets).all()
    found = attribute(network, encoded, targets, method)
    hit = [
        one.words[int(each.values.argmax())].text == SHORTCUT[label]
        for one, each, (_, label) in zip(encoded, found, rows, strict=True)
    ]
    assert np.mean(hit) > 0.9


@pytest.mark.parametrize("name", ["multi_label", "regression"])
def test_other_heads_on_a_text_are_explained_too(
    name: str, tiny_model: Path, tmp_path: Path
) -> None:
    labels = ("business", "film", "sport") if name == "multi_label" else ()
    folder = trained(name, tiny_model, labels, tmp_path / "model")
    if name == "regression":
        learner = learner_of(name, labels, TokenLimits(max_length=40))
        model = learner.load_model(tiny_model)
        model.config.target_mean, model.config.target_scale = 3.0, 2.0
        model.save_pretrained(folder)
    network = load_network(folder, name, LIMITS)
    encoded = network.encode(["the match was late", "shares fell"])
    ids = [one.ids for one in encoded]
    targets = network.answers(ids)
    numbers = network.numbers(ids, targets)
    outputs = network.outputs(ids)
    if name == "regression":
        np.testing.assert_allclose(numbers, outputs[:, 0] * 2 + 3, atol=1e-5)
    else:
        np.testing.assert_allclose(numbers, outputs.max(axis=1), atol=1e-6)
        np.testing.assert_allclose(network.moves(numbers), 1 / (1 + np.exp(-numbers)))
    for each in attribute(network, encoded, targets, "integrated_gradients"):
        assert each.is_exact


def test_a_task_type_without_a_head_on_a_text_is_refused(shortcut_folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"the task_type is tagging"):
        load_network(shortcut_folder, "tagging", LIMITS)
