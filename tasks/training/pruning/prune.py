"""From trained weights to a smaller base model, which is trained on."""

import logging
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from infra.base_models import fingerprint
from infra.device import deterministic_algorithms, pick_device
from infra.digests import digest_of
from infra.errors import SettingsError, TrainingError
from infra.store import ObjectStore
from infra.transformers_logs import quiet_transformers
from tasks.records.pruning import Pruning
from tasks.records.training import BaseModel, PrunedModel, Tokens, Weights
from tasks.task_types.learner import Learner
from tasks.task_types.networks import NETWORKS, Network, why_no_compression
from tasks.task_types.scoring import load_model
from tasks.task_types.tokenizers import load_tokenizer, vocabulary_of
from tasks.training.batching import TokenizedRows
from tasks.training.jobs import learner_for
from tasks.training.pruning.importance import importance_of
from tasks.training.pruning.settings import PruningSettings
from tasks.training.pruning.structure import Kept, counts_left, cut, feed_forwards, width_name
from tasks.training.settings import TrainingSettings

if TYPE_CHECKING:
    from tasks.task_types.examples import Batch, Vocabulary

logger = logging.getLogger(__name__)

TRAIN: Final = "train.arrow"
_WEIGHTS: Final = ("*.safetensors", "*.safetensors.index.json")
# Examples on which the model that was written is held against the one that was cut.
_TRIED: Final = 8
# How far their outputs may lie apart, as a share of the largest one: last bits of float32.
_MAX_DIFFERENCE: Final = 1e-4


def prune_weights(
    store: ObjectStore, weights: Weights, tokens: Tokens, task_type: str, settings: PruningSettings
) -> PrunedModel:
    """A base model of what matters most in a trained one; head and tokenizer come along.

    The same weights, tokens and settings give the same bytes on the same machine.

    Args:
        store: of all of them.
        weights: as they were trained.
        tokens: what they were trained on.
        task_type: what the model is for.
        settings: what is cut away.

    Raises:
        SettingsError: models of this task type are not pruned, or nothing would be left.
        BaseModelError: the model is of an architecture that cannot be pruned.
        TrainingError: nothing can be told of what matters, or what was written answers otherwise.
        StoreError: the store cannot be reached.

    """
    if why := why_no_compression(task_type, "pruning"):
        raise SettingsError(why)
    pick_device()
    with (
        quiet_transformers(),
        deterministic_algorithms(),
        TemporaryDirectory(prefix="assayline-prune-") as name,
    ):
        trained = store.get_folder(weights.artifact, Path(name) / "trained")
        store.get_folder(tokens.artifact, Path(name) / "tokens")
        rows = TokenizedRows(Path(name) / "tokens" / TRAIN)
        learner = learner_for(task_type, tokens, TrainingSettings()).fitted_to(rows)
        made = Path(name) / "model"
        pruning = _write(trained, made, weights, learner, rows, settings)
        made_of = [weights.artifact.sha256, tokens.artifact.sha256, settings]
        found = fingerprint(made)
        place = store.uri("base-models", digest_of([*made_of, found.sha256]))
        artifact = store.put_folder(place, made)
    logger.info(
        "kept %s: %s parameters, were %s", pruning.in_words, f"{pruning.parameters:,}",
        f"{pruning.parameters_before:,}",
    )  # fmt: skip
    base = BaseModel(artifact.uri, artifact.sha256, found.sha256, found.tokenizer_sha256)
    return PrunedModel(base, pruning)


def _write(
    trained: Path,
    made: Path,
    weights: Weights,
    learner: Learner,
    rows: TokenizedRows,
    settings: PruningSettings,
) -> Pruning:
    """Write the smaller model, and say what is left."""
    model: Any = learner.load_model(trained).to(pick_device().name)
    vocabulary = vocabulary_of(load_tokenizer(trained), model.config)
    before, layers = model.num_parameters(), int(model.config.num_hidden_layers)
    width = getattr(model.config, width_name(model.config), 0)
    numbers = spread_over(len(rows), settings.rows)
    kept = what_is_kept(model, learner, rows, numbers, vocabulary, settings)
    cut(model, kept)
    shutil.copytree(trained, made, ignore=shutil.ignore_patterns(*_WEIGHTS))
    model.save_pretrained(made)
    network = NETWORKS[learner.name]
    batch = learner.collate([rows[number] for number in numbers[:_TRIED]], vocabulary)
    _check_written(model, made, network, batch)
    return Pruning(
        original_sha256=weights.artifact.sha256,
        parameters_before=before,
        parameters=model.num_parameters(),
        layers_before=layers,
        layers=kept.layers,
        neurons_before=width if kept.neurons else 0,
        neurons=len(kept.neurons[0]) if kept.neurons else 0,
        rows=len(numbers),
    )


def spread_over(rows: int, wanted: int) -> list[int]:
    """Numbers of at most so many rows, spread evenly over all of them.

    Args:
        rows: that there are.
        wanted: at most.

    """
    return [int(one) for one in np.linspace(0, rows - 1, min(rows, wanted)).astype(int)]


def what_is_kept(
    model: Any,
    learner: Learner,
    rows: TokenizedRows,
    numbers: list[int],
    vocabulary: "Vocabulary",
    settings: PruningSettings,
) -> Kept:
    """The layers, and of each the neurons, that matter most; of equals the first.

    Args:
        model: as it was trained.
        learner: whose loss says what matters.
        rows: training examples.
        numbers: of those that are asked about.
        vocabulary: of the model.
        settings: how much is cut away.

    """
    if settings.neurons:
        feed_forwards(model)
    count, width = counts_left(model.config, settings)
    found = importance_of(model, learner, rows, numbers, vocabulary, of_neurons=bool(width))
    layers = tuple(int(one) for one in _largest(found.layers, count))
    if not width:
        return Kept(layers, None)
    return Kept(layers, tuple(_largest(found.neurons[layer], width) for layer in layers))


def _largest(values: "np.ndarray[Any, np.dtype[np.float64]]", count: int) -> Any:
    """Places of the largest values, (K,), rising; of equals the first."""
    return np.sort(np.argsort(-values, kind="stable")[:count])


def _check_written(model: Any, made: Path, network: Network, batch: "Batch") -> None:
    """Make sure that transformers reads what was cut, and not a model that is drawn in part.

    Raises:
        TrainingError: its outputs are others.

    """
    import torch

    read, inputs = load_model(made, network.auto_class), batch.to(model.device).inputs
    with torch.inference_mode():
        ours, theirs = model(**inputs), read(**inputs)
    for name in network.outputs:
        apart = float((ours[name] - theirs[name]).abs().max() / ours[name].abs().max())
        if not apart <= _MAX_DIFFERENCE:  # which NaN is not, either
            raise TrainingError(
                f"the pruned model as transformers reads it lies {apart:.2g} of the largest output "
                "off what was cut; leave pruning out, or choose a base_model of another "
                "architecture"
            )
