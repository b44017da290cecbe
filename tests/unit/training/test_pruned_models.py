"""From trained weights to a smaller base model, of every task type that has one."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu.folder_store import FolderStore
from infra.base_models import fingerprint
from infra.errors import SettingsError, TrainingError
from infra.store import Artifact
from infra.transformers_logs import quiet_transformers
from tasks.records.training import Tokens, Weights
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.networks import NETWORKS
from tasks.task_types.row_shapes import shape_of
from tasks.training.pruning import prune as pruning
from tasks.training.pruning.prune import prune_weights
from tasks.training.pruning.settings import PruningSettings
from tasks.training.settings import TrainingSettings
from tests.unit.compression.compressed_models import MAX_LENGTH, tokens_of, weights_of
from tests.unit.task_types.every_task_type import base_models, labels_of, trained

HALF = PruningSettings(neurons=0.5, layers=1, rows=16)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    return FolderStore(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return base_models(tiny_model, tmp_path_factory.mktemp("bases"))


Made = Callable[[str], tuple[Weights, Tokens]]


@pytest.fixture(scope="module")
def made(
    store: FolderStore, bases: Mapping[str, Path], tiny_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Made:  # fmt: skip
    """A model of a task type as training leaves it, and what it was trained on."""

    def make(name: str) -> tuple[Weights, Tokens]:
        shape, base = shape_of(name), bases.get(name, tiny_model)
        labels, folder = labels_of(shape), tmp_path_factory.mktemp(name)
        with quiet_transformers():
            model = trained(name, base, labels, folder / "model")
        (folder / "tokens").mkdir()
        tokens = tokens_of(name, labels, base, store, folder / "tokens")
        return weights_of(model, store, labels), tokens

    return make


@pytest.mark.parametrize("name", NETWORKS)
def test_each_task_type_goes_on_from_the_smaller_model(
    name: str, made: Made, store: FolderStore, tmp_path: Path
) -> None:
    weights, tokens = made(name)
    small = prune_weights(store, weights, tokens, name, HALF)
    whole = store.get_folder(weights.artifact, tmp_path / "whole")
    folder = tmp_path / "small"
    assert small.model.revision
    store.get_folder(Artifact(small.model.reference, small.model.revision, 0), folder)
    said = json.loads((folder / "config.json").read_text())
    learner = learner_of(name, tokens.labels, TokenLimits(max_length=MAX_LENGTH))
    with quiet_transformers():
        before = learner.load_model(whole)
        torch.manual_seed(0)
        after: Any = learner.load_model(folder)
        torch.manual_seed(1)
        again = learner.load_model(folder)
    assert said["num_hidden_layers"] == after.config.num_hidden_layers == 1
    assert said["intermediate_size"] == before.config.intermediate_size // 2
    for (key, one), other in zip(
        after.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), f"{key} is drawn anew"
    told = small.pruning
    assert told.parameters == after.num_parameters() < before.num_parameters()
    assert told.parameters_before == before.num_parameters()
    assert told.original_sha256 == weights.artifact.sha256
    found = fingerprint(folder)
    assert (found.sha256, found.tokenizer_sha256) == (
        small.model.sha256, small.model.tokenizer_sha256
    )  # fmt: skip
    assert found.tokenizer_sha256 == fingerprint(whole).tokenizer_sha256


def test_the_same_weights_and_rows_give_the_same_bytes(made: Made, store: FolderStore) -> None:
    weights, tokens = made("classification")
    first = prune_weights(store, weights, tokens, "classification", HALF)
    assert prune_weights(store, weights, tokens, "classification", HALF) == first
    other = PruningSettings(neurons=0.25, rows=16)
    assert prune_weights(store, weights, tokens, "classification", other).model != first.model
    assert first.pruning.in_words == "1 of 2 layers, 32 of 64 neurons in each"


def test_layers_alone_leave_the_neurons(made: Made, store: FolderStore) -> None:
    weights, tokens = made("classification")
    told = prune_weights(store, weights, tokens, "classification", PruningSettings(layers=1))
    assert (told.pruning.neurons_before, told.pruning.neurons) == (0, 0)
    assert told.pruning.in_words == "1 of 2 layers"


def test_a_model_that_is_read_otherwise_than_it_was_cut_ends_the_run(
    made: Made, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where an architecture draws anew what does not fit."""
    weights, tokens = made("classification")
    load = pruning.load_model

    def drawn(folder: Path, kind: str) -> Any:
        model: Any = load(folder, kind)
        torch.nn.init.normal_(model.bert.encoder.layer[0].output.dense.weight)
        return model

    monkeypatch.setattr(pruning, "load_model", drawn)
    with pytest.raises(TrainingError, match="of the largest output off what was cut"):
        prune_weights(store, weights, tokens, "classification", HALF)


def test_other_task_types_are_refused(made: Made, store: FolderStore) -> None:
    weights, tokens = made("classification")
    with pytest.raises(SettingsError, match=r"pruning is of classification, .* is chat"):
        prune_weights(store, weights, tokens, "chat", HALF)


def test_recovery_is_training_with_its_own_epochs_and_rate() -> None:
    training = TrainingSettings(epochs=5, learning_rate=3e-4, seed=7, batch_size=4)
    asked = PruningSettings(neurons=0.5, recovery_epochs=2)
    recovery = asked.recovery(training)
    assert recovery == training.model_copy(update={"epochs": 2})
    slower = PruningSettings(neurons=0.5, recovery_learning_rate=1e-5).recovery(training)
    assert slower == training.model_copy(update={"epochs": 1, "learning_rate": 1e-5})
