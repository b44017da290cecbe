"""What matters to the loss: by definition, by a finite difference, and where the truth is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from infra.errors import TrainingError
from infra.transformers_logs import quiet_transformers
from tasks.task_types.examples import Vocabulary
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.training.batching import TokenizedRows
from tasks.training.pruning.importance import Importance, importance_of
from tasks.training.pruning.prune import spread_over, what_is_kept
from tasks.training.pruning.settings import PruningSettings
from tasks.training.pruning.structure import feed_forwards

VOCABULARY = Vocabulary(pad_id=0, size=600)
LABELS = ("business", "film", "sport")
ROWS = 11


@pytest.fixture(scope="module")
def learner() -> Any:
    return learner_of("classification", LABELS, TokenLimits(max_length=40))


@pytest.fixture
def model(learner: Any, tiny_model: Path) -> Any:
    torch.manual_seed(3)
    with quiet_transformers():
        return learner.load_model(tiny_model).eval()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> TokenizedRows:
    """Of several lengths, so that batches are padded."""
    random = np.random.default_rng(0)
    table = pa.table(
        {
            "row_id": [f"{row:064x}" for row in range(ROWS)],
            "input_ids": pa.array(
                [random.integers(5, 600, 2 + 3 * row).tolist() for row in range(ROWS)],
                pa.list_(pa.int32()),
            ),
            "labels": pa.array([row % 3 for row in range(ROWS)], pa.int64()),
        }
    )
    path = tmp_path_factory.mktemp("rows") / "train.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return TokenizedRows(path)


def asked(model: Any, learner: Any, rows: TokenizedRows, *, of_neurons: bool = True) -> Importance:
    numbers = list(range(len(rows)))
    return importance_of(model, learner, rows, numbers, VOCABULARY, of_neurons=of_neurons)


def loss_of(model: Any, learner: Any, rows: TokenizedRows, number: int) -> float:
    batch = learner.collate([rows[number]], VOCABULARY)
    with torch.inference_mode():
        return float(learner.loss(model(**batch.inputs), batch, learner.units(batch)))


@pytest.mark.parametrize(("layer", "neuron"), [(0, 0), (0, 41), (1, 7)])
def test_a_neurons_importance_is_the_mean_slope_of_each_examples_loss(
    model: Any, learner: Any, rows: TokenizedRows, layer: int, neuron: int
) -> None:
    """By central differences, one example at a time."""
    found = asked(model, learner, rows)
    assert found.neurons.shape == (2, 64)
    slopes, step = [], 0.05
    column = feed_forwards(model)[layer].out_of.weight[:, neuron]
    plain = column.detach().clone()
    for number in range(ROWS):
        losses = []
        for gate in (1 + step, 1 - step):
            column.data.copy_(plain * gate)
            losses.append(loss_of(model, learner, rows, number))
        column.data.copy_(plain)
        slopes.append(abs(losses[0] - losses[1]) / (2 * step))
    assert float(np.mean(slopes)) > 0
    assert found.neurons[layer, neuron] == pytest.approx(np.mean(slopes), rel=0.03, abs=1e-5)


def test_a_layer_that_gives_what_it_is_given_matters_nothing(
    model: Any, learner: Any, rows: TokenizedRows
) -> None:
    plain = asked(model, learner, rows, of_neurons=False)
    assert (plain.layers > 0).all()
    assert plain.neurons.size == 0

    class Same(torch.nn.Module):
        def forward(self, hidden_states: Any, *_: Any, **__: Any) -> Any:
            return hidden_states

    model.bert.encoder.layer[0] = Same()
    found = asked(model, learner, rows, of_neurons=False)
    assert found.layers[0] == 0
    assert found.layers[1] > 0


def test_a_neuron_that_is_not_read_matters_nothing_and_goes_first(
    model: Any, learner: Any, rows: TokenizedRows
) -> None:
    dead = [(0, 3), (0, 60), (1, 0), (1, 31)]
    for layer, neuron in dead:
        feed_forwards(model)[layer].out_of.weight.data[:, neuron] = 0
    found = asked(model, learner, rows)
    assert {tuple(map(int, place)) for place in np.argwhere(found.neurons == 0)} == set(dead)
    settings = PruningSettings(neurons=2 / 64)
    numbers = list(range(ROWS))
    kept = what_is_kept(model, learner, rows, numbers, VOCABULARY, settings)
    assert kept.layers == (0, 1)
    assert kept.neurons is not None
    for layer, neurons in enumerate(kept.neurons):
        gone = set(range(64)) - set(neurons.tolist())
        assert {(layer, one) for one in gone} == {place for place in dead if place[0] == layer}
        assert (np.diff(neurons) > 0).all()


def test_the_kept_ones_are_the_most_important(
    model: Any, learner: Any, rows: TokenizedRows
) -> None:
    found = asked(model, learner, rows)
    settings = PruningSettings(neurons=0.75, layers=1)
    kept = what_is_kept(model, learner, rows, list(range(ROWS)), VOCABULARY, settings)
    best = int(found.layers.argmax())
    assert kept.layers == (best,)
    assert kept.neurons is not None
    (neurons,) = kept.neurons
    assert len(neurons) == 16
    gone = np.setdiff1d(np.arange(64), neurons)
    assert found.neurons[best, neurons].min() >= found.neurons[best, gone].max()


def test_it_does_not_depend_on_how_the_examples_are_batched(
    model: Any, learner: Any, rows: TokenizedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = asked(model, learner, rows)
    monkeypatch.setattr("tasks.training.pruning.importance.token_budget", lambda _: 1)
    alone = asked(model, learner, rows)
    np.testing.assert_allclose(together.neurons, alone.neurons, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(together.layers, alone.layers, rtol=1e-3, atol=1e-7)


def test_a_gradient_that_is_no_number_ends_the_run(
    model: Any, learner: Any, rows: TokenizedRows
) -> None:
    model.classifier.weight.data.fill_(float("nan"))
    with pytest.raises(TrainingError, match="is no number"):
        asked(model, learner, rows)


@pytest.mark.parametrize(("there", "wanted"), [(5, 16), (100, 16), (1, 16), (17, 16)])
def test_rows_are_spread_over_all(there: int, wanted: int) -> None:
    found = spread_over(there, wanted)
    assert len(set(found)) == len(found) == min(there, wanted)
    assert (found[0], found[-1]) == (0, there - 1)
    assert max(np.diff(found), default=1) <= -(-there // min(there, wanted)) + 1
